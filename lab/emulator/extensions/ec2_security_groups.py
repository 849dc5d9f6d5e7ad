"""Security groups whose names can't be taken for ids, and rules of them that keep their descriptions.

Rules: EC2 API reference, SecurityGroupRule (DescribeSecurityGroupRules) and PrefixListId, IpRange, UserIdGroupPair (the
sources in DescribeSecurityGroups): each has a Description. moto keeps those of ranges and groups, and shows a rule only
the description of its range. CreateSecurityGroup: a name "cannot start with sg-".
"""

from __future__ import annotations

from typing import Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import EC2Backend, ec2_backends
from moto.ec2.models.security_groups import SecurityGroup, SecurityGroupRule

from lab.emulator.extensions.hooks import adds_to, extends

PREFIX_LIST = 7
"""Where moto's rule takes its prefix list, among the arguments without names."""


_make, _group = SecurityGroupRule.__init__, SecurityGroup._flattened_rules


def _make_with_description(self: Any, *args: Any, **settings: Any) -> None:
    _make(self, *args, **settings)
    source = settings.get("prefix_list_id") or (args[PREFIX_LIST] if len(args) > PREFIX_LIST else None)
    self.prefix_list_description = (source or {}).get("Description")


setattr(SecurityGroupRule, "__init__", _make_with_description)  # noqa: B010 - to a type checker no variable


@extends(ec2_backends)
class SecurityGroups(EC2Backend):
    """moto's backend, which looks at names."""

    def create_security_group(self, name: str, *rest: Any, **settings: Any) -> Any:
        """CreateSecurityGroup: not under a name that looks like an id."""
        if name.startswith("sg-"):
            message = f"Value ({name}) for parameter GroupName is invalid. Group names may not be in the format sg-*."
            raise EC2ClientError("InvalidParameterValue", message)
        return super().create_security_group(name, *rest, **settings)


@adds_to(SecurityGroupRule)
class Rule:
    """A rule that shows the description of its source."""

    ip_range: dict[str, Any]
    source_group: dict[str, Any]
    prefix_list_description: str | None

    @property
    def description(self) -> str | None:
        """The description of whichever source it has."""
        sources = (self.ip_range.get("Description"), self.source_group.get("Description"), self.prefix_list_description)
        return next((str(description) for description in sources if description), None)


@adds_to(SecurityGroup)
class Group:
    """A group that shows its rules with the descriptions of prefix lists."""

    def _flattened_rules(self: Any, rules: list[Any]) -> Any:
        described = {
            rule.prefix_list_id: rule.prefix_list_description for rule in rules if rule.prefix_list_description
        }
        permissions = _group(self, rules)
        for source in (source for permission in permissions for source in permission.prefix_list_ids):
            if source["PrefixListId"] in described:
                source["Description"] = described[source["PrefixListId"]]
        return permissions
