"""Prefix lists as AWS keeps them: within their size, one version after the other, and not deleted while referred to.

Rules: EC2 API reference (CreateManagedPrefixList, ModifyManagedPrefixList, DeleteManagedPrefixList, ManagedPrefixList),
VPC User Guide (customer-managed prefix lists; rules and considerations; quotas: a rule that refers to a list counts as
the list's maximum, one that refers to AWS's own as its weight, which is 1 for S3). moto drops the name at a change
without one, takes any number of entries and any version, keeps a deleted list for one more look, never changes the size
and counts rules that refer to lists not at all.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_network
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import EC2Backend, ec2_backends
from moto.ec2.responses.vpcs import VPCs

from lab.emulator import quotas
from lab.emulator.extensions.hooks import adds_to, extends

MOST_ENTRIES_PER_REQUEST = 100


@extends(ec2_backends)
class PrefixLists(EC2Backend):
    """moto's backend, with lists that refuse what AWS refuses."""

    def create_managed_prefix_list(self, *args: Any, **settings: Any) -> Any:
        """CreateManagedPrefixList: entries fit, none twice."""
        if settings.get("owner_id") is None and settings.get("max_entries") is not None:
            _check_entries(settings.get("entry") or [], int(settings["max_entries"]))
        return super().create_managed_prefix_list(*args, **settings)

    def change_prefix_list(
        self,
        list_id: str,
        current_version: int | None,
        name: str | None,
        max_entries: int | None,
        added: list[dict[str, str]],
        removed: list[dict[str, str]],
    ) -> Any:
        """ModifyManagedPrefixList: name, size or entries; a change of entries makes a new version."""
        changed = self.known_prefix_list(list_id)
        if max_entries is not None and (added or removed):
            raise _refusal("InvalidRequest", "You cannot modify the entries and the maximum number of entries at once.")
        if added or removed:
            if current_version is None:
                raise _refusal("MissingParameter", "The request must contain the parameter CurrentVersion")
            if current_version != changed.version:
                raise _refusal("PrefixListVersionMismatch", f"The prefix list has version {changed.version}.")
            entries = _changed(list(changed.entries.get(changed.version) or []), added, removed)
            _check_entries(entries, int(changed.max_entries))
            changed.version += 1
            changed.entries[changed.version] = entries
        if max_entries is not None:
            self._check_new_size(changed, max_entries)
            changed.max_entries = max_entries
        if name is not None:
            changed.prefix_list_name = name
        changed.state = "modify-complete"
        return changed

    def delete_managed_prefix_list(self, prefix_list_id: str) -> Any:
        """DeleteManagedPrefixList: refused while a rule of a security group refers to it."""
        deleted = self.known_prefix_list(prefix_list_id)
        if self.rules_with_prefix_list(prefix_list_id):
            raise _refusal("DependencyViolation", f"The prefix list '{prefix_list_id}' has one or more associations.")
        del self.managed_prefix_lists[prefix_list_id]
        deleted.state = "delete-complete"
        return deleted

    def describe_managed_prefix_lists(self, prefix_list_ids: list[str] | None = None, filters: Any = None) -> list[Any]:
        """DescribeManagedPrefixLists: an unknown id is an error; every filter must fit (moto fails at a second tag)."""
        for list_id in prefix_list_ids or []:
            self.known_prefix_list(list_id)
        tags = {key: values for key, values in (filters or {}).items() if key.startswith("tag:")}
        others = {key: values for key, values in (filters or {}).items() if key not in tags}
        found: list[Any] = super().describe_managed_prefix_lists(prefix_list_ids, others)
        return [
            one
            for one in found
            if all(
                any(f"tag:{tag['key']}" == key and tag["value"] in values for tag in one.get_tags())
                for key, values in tags.items()
            )
        ]

    def known_prefix_list(self, list_id: str) -> Any:
        """Return a list, or AWS's refusal."""
        if list_id not in self.managed_prefix_lists:
            raise _refusal("InvalidPrefixListID.NotFound", f"The prefix list ID '{list_id}' does not exist")
        return self.managed_prefix_lists[list_id]

    def rules_with_prefix_list(self, list_id: str) -> list[Any]:
        """Return the rules of security groups that refer to a list."""
        return [
            rule
            for groups in self.groups.values()
            for group in groups.values()
            for rule in (*group.ingress_rules, *group.egress_rules)
            if rule.prefix_list_id == list_id
        ]

    def authorize_security_group_ingress(self, group_name_or_id: str, *rest: Any, **settings: Any) -> Any:
        """AuthorizeSecurityGroupIngress: with lists, too, within the quota."""
        group = self.get_security_group_by_name_or_id(group_name_or_id, settings.get("vpc_id"))
        added = sum(self._size(source["PrefixListId"]) for source in settings.get("prefix_list_ids") or [])
        if group is not None and added:
            self._check_quota(self._rules_in(group.ingress_rules) + added)
        return super().authorize_security_group_ingress(group_name_or_id, *rest, **settings)

    def _check_new_size(self, prefix_list: Any, max_entries: int) -> None:
        if len(prefix_list.entries.get(prefix_list.version) or []) > max_entries:
            raise _refusal("InvalidParameterValue", "The prefix list has more entries than the new maximum.")
        growth = max_entries - int(prefix_list.max_entries)
        for group in (group for groups in self.groups.values() for group in groups.values()):
            for rules in (group.ingress_rules, group.egress_rules):
                references = sum(rule.prefix_list_id == prefix_list.id for rule in rules)
                if references and growth > 0:
                    self._check_quota(self._rules_in(rules) + references * growth)

    def _rules_in(self, rules: Iterable[Any]) -> int:
        return sum(self._size(rule.prefix_list_id) if rule.prefix_list_id else 1 for rule in rules)

    def _size(self, list_id: str) -> int:
        referred = self.managed_prefix_lists.get(list_id)
        return int(referred.max_entries) if referred is not None and referred.max_entries else 1

    def _check_quota(self, rules: int) -> None:
        if rules > quotas.value(quotas.RULES_PER_SECURITY_GROUP):
            raise _refusal(
                "RulesPerSecurityGroupLimitExceeded",
                "The maximum number of rules per security group has been reached.",
            )


@adds_to(VPCs)
class PrefixListActions(VPCs):
    """What moto's answer leaves out."""

    def modify_managed_prefix_list(self) -> ActionResult:
        """ModifyManagedPrefixList, with MaxEntries."""
        version, most = self._get_param("CurrentVersion"), self._get_param("MaxEntries")
        backend: Any = self.ec2_backend
        changed = backend.change_prefix_list(
            self._get_param("PrefixListId"),
            int(version) if version is not None else None,
            self._get_param("PrefixListName"),
            int(most) if most is not None else None,
            self._get_param("AddEntries", []),
            self._get_param("RemoveEntries", []),
        )
        return ActionResult({"PrefixList": changed})


def _changed(
    entries: list[dict[str, str]], added: Iterable[dict[str, str]], removed: Iterable[dict[str, str]]
) -> list[dict[str, str]]:
    """Return the entries after a change; adding one that is there changes its description."""
    gone = {entry["Cidr"] for entry in removed} | {entry["Cidr"] for entry in added}
    return [*(entry for entry in entries if entry["Cidr"] not in gone), *added]


def _check_entries(entries: list[dict[str, str]], most: int) -> None:
    if len(entries) > most:
        raise _refusal(
            "PrefixListMaxEntriesExceeded",
            f"You've reached the maximum number of entries for the prefix list: {len(entries)} of {most}.",
        )
    if len(entries) > MOST_ENTRIES_PER_REQUEST:
        raise _refusal("InvalidParameterValue", f"A request takes at most {MOST_ENTRIES_PER_REQUEST} entries.")
    cidrs = [str(ip_network(entry["Cidr"], strict=False)) for entry in entries]
    if len(set(cidrs)) < len(cidrs):
        raise _refusal("InvalidParameterValue", "Duplicate entries are not allowed in a prefix list.")


def _refusal(code: str, message: str) -> EC2ClientError:
    return EC2ClientError(code, message)
