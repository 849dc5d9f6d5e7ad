# ruff: noqa: ANN401  # moto's objects: their types say less than their names
"""Rules of security groups that keep their descriptions, whatever their source is.

Rules: EC2 API reference, SecurityGroupRule (DescribeSecurityGroupRules) and PrefixListId, IpRange, UserIdGroupPair (the
sources in DescribeSecurityGroups): each has a Description. moto keeps those of ranges and groups, and shows a rule only
the description of its range.
"""

from __future__ import annotations

from typing import Any

from moto.ec2.models.security_groups import SecurityGroup, SecurityGroupRule

PREFIX_LIST = 7
"""Where moto's rule takes its prefix list, among the arguments without names."""


def _description(rule: Any) -> str | None:
    sources = (rule.ip_range.get("Description"), rule.source_group.get("Description"), rule.prefix_list_description)
    return next((str(description) for description in sources if description), None)


def install() -> None:
    """Put these rules into moto."""
    if hasattr(SecurityGroupRule, "prefix_list_description"):
        return
    make_as_moto, group_as_moto = SecurityGroupRule.__init__, SecurityGroup._flattened_rules

    def make(self: Any, *args: Any, **settings: Any) -> None:
        make_as_moto(self, *args, **settings)
        source = settings.get("prefix_list_id") or (args[PREFIX_LIST] if len(args) > PREFIX_LIST else None)
        self.prefix_list_description = (source or {}).get("Description")

    def grouped(self: Any, rules: list[Any]) -> Any:
        described = {
            rule.prefix_list_id: rule.prefix_list_description for rule in rules if rule.prefix_list_description
        }
        permissions = group_as_moto(self, rules)
        for source in (source for permission in permissions for source in permission.prefix_list_ids):
            if source["PrefixListId"] in described:
                source["Description"] = described[source["PrefixListId"]]
        return permissions

    setattr(SecurityGroupRule, "prefix_list_description", None)  # noqa: B010 - an attribute moto's class lacks
    setattr(SecurityGroupRule, "__init__", make)  # noqa: B010 - to a type checker a method is not a variable
    setattr(SecurityGroupRule, "description", property(_description))  # noqa: B010 - as above
    setattr(SecurityGroup, "_flattened_rules", grouped)  # noqa: B010 - as above
