"""Rows of security groups, their rules, and prefix lists.

What replaces is from hashicorp/terraform-provider-aws, internal/service/ec2, the file named at each row. Left out:
rules inside a group (they and rules beside it undo each other), IPv6 prefix lists' particulars.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lab.provider.changes import Change
from lab.provider.errors import ProviderError
from lab.provider.forms import TAGS, SetOf, Synonyms, nested
from lab.provider.lifecycle import described
from lab.provider.model import NOT_SENT, Call, Look, Name, Property, Resource, Step, Tagging, Update
from lab.provider.rows import tagging
from lab.provider.work import Work

_ARN = "arn:{partition}:ec2:{region}:{account}:"
_ENTRIES_PER_REQUEST = 100
"""EC2 API reference, ModifyManagedPrefixList: the most entries that one request adds or removes."""

_RULES = (
    "[].{fromPort: FromPort, toPort: ToPort, protocol: IpProtocol, cidrBlocks: IpRanges[].CidrIp,"
    " prefixListIds: PrefixListIds[].PrefixListId, securityGroups: UserIdGroupPairs[].GroupId}"
)


def _revoke_all(work: Work) -> None:
    """Take away every rule of the group: AWS gives each new one the right to speak to everything."""
    group = work.call("describe_security_groups", GroupIds=[work.id])["SecurityGroups"][0]
    for permissions, operation in (
        (group.get("IpPermissions"), "revoke_security_group_ingress"),
        (group.get("IpPermissionsEgress"), "revoke_security_group_egress"),
    ):
        if permissions:
            work.call(operation, GroupId=work.id, IpPermissions=permissions)


def _revoke_if_asked(work: Work) -> None:
    if work.state.get("revokeRulesOnDelete"):
        _revoke_all(work)


_GROUP_LOOK = Look(operation="describe_security_groups", parameters={"GroupIds": ["{id}"]}, result="SecurityGroups[0]")
_GROUP_OUTPUTS = {
    "arn": _ARN + "security-group/{id}",
    "ownerId": "OwnerId",
    # Optional and computed in the real provider: rules made beside the group show here after a refresh.
    "ingress": f"IpPermissions{_RULES}",
    "egress": f"IpPermissionsEgress{_RULES}",
}

SECURITY_GROUP = Resource(  # vpc_security_group.go
    type="aws:ec2/securityGroup:SecurityGroup",
    label="EC2 Security Group",
    service="ec2",
    properties={
        "name": Property(sends="GroupName", replaces=True, computed=True, longest=255),
        "namePrefix": Property(sends=NOT_SENT, reads=NOT_SENT, replaces=True, longest=100),
        "description": Property(default="Managed by Pulumi", replaces=True, longest=255),
        "vpcId": Property(replaces=True, computed=True),
        "revokeRulesOnDelete": Property(sends=NOT_SENT, reads=NOT_SENT, default=False),
    },
    create=(Call(operation="create_security_group", id="GroupId"), _revoke_all),
    reads=(_GROUP_LOOK,),
    delete=(
        _revoke_if_asked,
        Call(
            operation="delete_security_group",
            parameters={"GroupId": "{id}"},
            retries=("DependencyViolation", "InvalidGroup.InUse"),
            patience_seconds=900,
        ),
    ),
    computed=_GROUP_OUTPUTS,
    tags=tagging.ec2("security-group"),
    name=Name(),
    gone=("InvalidGroup.NotFound", "InvalidGroupId.Malformed"),
    conflicts=(("name", "namePrefix"),),
    unimplemented=("ingress", "egress"),
)


def _adopt_default_group(work: Work) -> None:
    filters = [{"Name": "group-name", "Values": ["default"]}]
    if vpc_id := work.inputs.get("vpcId"):
        filters.append({"Name": "vpc-id", "Values": [vpc_id]})
    groups = work.call("describe_security_groups", Filters=filters)["SecurityGroups"]
    if not groups:
        raise ProviderError(f"{work.describe_doing()}: {vpc_id} has no default security group")
    work.id = groups[0]["GroupId"]
    _revoke_all(work)


DEFAULT_SECURITY_GROUP = Resource(  # vpc_default_security_group.go: adopted, stripped of its rules, never deleted
    type="aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
    label="EC2 Default Security Group",
    service="ec2",
    properties={
        "vpcId": Property(replaces=True, computed=True),
        "revokeRulesOnDelete": Property(sends=NOT_SENT, reads=NOT_SENT, default=False),
    },
    create=(_adopt_default_group,),
    reads=(_GROUP_LOOK,),
    computed={**_GROUP_OUTPUTS, "name": "GroupName", "description": "Description"},
    tags=Tagging(parameter="", add=tagging.ec2("").add, remove=tagging.ec2("").remove),
    gone=("InvalidGroup.NotFound",),
    unimplemented=("ingress", "egress"),
)

_SOURCES = ("cidrIpv4", "cidrIpv6", "prefixListId", "referencedSecurityGroupId")
_RULE_PARTS = ("ipProtocol", "fromPort", "toPort", "description", *_SOURCES)


def _permission(inputs: Mapping[str, Any]) -> dict[str, Any]:
    text = {"Description": inputs["description"]} if inputs.get("description") else {}
    ports = {"FromPort": inputs.get("fromPort"), "ToPort": inputs.get("toPort")}
    sources = {
        "cidrIpv4": ("IpRanges", "CidrIp"),
        "cidrIpv6": ("Ipv6Ranges", "CidrIpv6"),
        "prefixListId": ("PrefixListIds", "PrefixListId"),
        "referencedSecurityGroupId": ("UserIdGroupPairs", "GroupId"),
    }
    return {
        "IpProtocol": inputs["ipProtocol"],
        **{name: port for name, port in ports.items() if port is not None},
        **{
            outer: [{inner: inputs[name], **text}]
            for name, (outer, inner) in sources.items()
            if inputs.get(name) is not None
        },
    }


def _authorize(direction: str) -> Step:
    def authorize(work: Work) -> None:
        parameters = {"GroupId": work.inputs["securityGroupId"], "IpPermissions": [_permission(work.inputs)]}
        # With its tags, as a role may need that can make only what has them (seen of hashicorp/aws 5.100).
        if tags := work.inputs.get("tagsAll"):
            parameters["TagSpecifications"] = [{"ResourceType": "security-group-rule", "Tags": TAGS.send(tags)}]
        answer = work.call(f"authorize_security_group_{direction}", **parameters)
        work.id = answer["SecurityGroupRules"][0]["SecurityGroupRuleId"]

    return authorize


def _modify_rule(work: Work) -> None:
    inputs = work.inputs
    names = {
        "ipProtocol": "IpProtocol",
        "fromPort": "FromPort",
        "toPort": "ToPort",
        "cidrIpv4": "CidrIpv4",
        "cidrIpv6": "CidrIpv6",
        "description": "Description",
        "prefixListId": "PrefixListId",
        "referencedSecurityGroupId": "ReferencedGroupId",
    }
    rule = {parameter: inputs[name] for name, parameter in names.items() if inputs.get(name) is not None}
    work.call(
        "modify_security_group_rules",
        GroupId=inputs["securityGroupId"],
        SecurityGroupRules=[{"SecurityGroupRuleId": work.id, "SecurityGroupRule": rule}],
    )


def _without_open_ports(_work: Work, description: dict[str, Any]) -> dict[str, Any]:
    # -1 stands for "no port" and is null in the real provider's state unless the program says it.
    return {
        name: value
        for name, value in description.items()
        if not (name in ("FromPort", "ToPort") and value == -1 and _work.value(f"{name[0].lower()}{name[1:]}") != -1)
    }


def _other_source(changes: Sequence[Change], state: Mapping[str, Any], news: Mapping[str, Any]) -> list[str]:
    """EC2 can't change the kind of a rule's source (ModifyPlan of the real provider)."""
    earlier = next((name for name in _SOURCES if state.get(name) is not None), None)
    wanted = next((name for name in _SOURCES if news.get(name) is not None), None)
    return [change.path for change in changes if change.property in _SOURCES] if earlier != wanted else []


_PROTOCOL = Synonyms({"6": "tcp", "17": "udp", "1": "icmp", "all": "-1"})


def _rule(direction: str, label: str) -> Resource:
    name = direction.capitalize()
    return Resource(  # vpc_security_group_ingress_rule.go, vpc_security_group_egress_rule.go
        type=f"aws:vpc/securityGroup{name}Rule:SecurityGroup{name}Rule",
        label=label,
        service="ec2",
        properties={
            "securityGroupId": Property(reads="GroupId", replaces=True),
            "ipProtocol": Property(form=_PROTOCOL),
            "fromPort": Property(between=(-1, 65535)),
            "toPort": Property(between=(-1, 65535)),
            "description": Property(),
            "cidrIpv4": Property(),
            "cidrIpv6": Property(),
            "prefixListId": Property(),
            "referencedSecurityGroupId": Property(reads="ReferencedGroupInfo.GroupId"),
        },
        create=(_authorize(direction),),
        updates=(Update(on=_RULE_PARTS, do=_modify_rule),),
        reads=(
            Look(
                operation="describe_security_group_rules",
                parameters={"SecurityGroupRuleIds": ["{id}"]},
                result="SecurityGroupRules[0]",
            ),
        ),
        describe=_without_open_ports,
        delete=(
            Call(
                operation=f"revoke_security_group_{direction}",
                parameters={"GroupId": "{securityGroupId}", "SecurityGroupRuleIds": ["{id}"]},
            ),
        ),
        computed={"arn": _ARN + "security-group-rule/{id}", "securityGroupRuleId": "SecurityGroupRuleId"},
        tags=tagging.ec2("security-group-rule"),
        gone=("InvalidSecurityGroupRuleId.NotFound", "InvalidGroup.NotFound"),
        one_of=(_SOURCES,),
        replaced_by=_other_source,
    )


INGRESS_RULE = _rule("ingress", "VPC Security Group Ingress Rule")
EGRESS_RULE = _rule("egress", "VPC Security Group Egress Rule")


def _entries(value: Any) -> dict[str, dict[str, str]]:
    return {
        entry["cidr"]: {"Cidr": entry["cidr"], **({"Description": d} if (d := entry.get("description")) else {})}
        for entry in value or ()
    }


def _create_prefix_list(work: Work) -> None:
    entries = list(_entries(work.inputs.get("entries")).values())
    parameters: dict[str, Any] = {
        "PrefixListName": work.inputs["name"],
        "AddressFamily": work.inputs["addressFamily"],
        "MaxEntries": work.inputs["maxEntries"],
    }
    if entries:
        parameters["Entries"] = entries[:_ENTRIES_PER_REQUEST]
    if tags := work.inputs.get("tagsAll"):
        parameters["TagSpecifications"] = [{"ResourceType": "prefix-list", "Tags": TAGS.send(tags)}]
    work.id = work.call("create_managed_prefix_list", **parameters)["PrefixList"]["PrefixListId"]
    _settled(work)
    _modify_entries(work, add=entries[_ENTRIES_PER_REQUEST:], remove=[])


def _update_prefix_list(work: Work) -> None:
    """Entries and their limit can't change in one request; the limit grows first and shrinks last."""
    grows = work.inputs["maxEntries"] > work.state.get("maxEntries", 0)
    if "maxEntries" in work.changed and grows:
        _modify_limit(work)
    if "name" in work.changed:
        work.call("modify_managed_prefix_list", PrefixListId=work.id, PrefixListName=work.inputs["name"])
        _settled(work)
    if "entries" in work.changed:
        wanted, actual = _entries(work.inputs.get("entries")), _entries(work.state.get("entries"))
        # One request can't name a range twice, so one whose description changes goes first and comes back.
        redescribed = [cidr for cidr in wanted if cidr in actual and wanted[cidr] != actual[cidr]]
        _modify_entries(work, add=[], remove=redescribed)
        _modify_entries(
            work,
            add=[entry for cidr, entry in wanted.items() if actual.get(cidr) != entry],
            remove=[cidr for cidr in actual if cidr not in wanted],
        )
    if "maxEntries" in work.changed and not grows:
        _modify_limit(work)


def _modify_limit(work: Work) -> None:
    work.call("modify_managed_prefix_list", PrefixListId=work.id, MaxEntries=work.inputs["maxEntries"])
    _settled(work)


def _modify_entries(work: Work, add: Sequence[dict[str, str]], remove: Sequence[str]) -> None:
    while add or remove:
        removed, added = remove[:_ENTRIES_PER_REQUEST], add[:_ENTRIES_PER_REQUEST]
        parts: dict[str, Any] = {"RemoveEntries": [{"Cidr": cidr} for cidr in removed], "AddEntries": list(added)}
        work.call(
            "modify_managed_prefix_list",
            PrefixListId=work.id,
            CurrentVersion=_settled(work)["Version"],
            **{name: entries for name, entries in parts.items() if entries},
        )
        _settled(work)
        add, remove = add[_ENTRIES_PER_REQUEST:], remove[_ENTRIES_PER_REQUEST:]


def _settled(work: Work) -> dict[str, Any]:
    """Wait until no change of the list is under way, and return its description."""
    found: dict[str, Any] = {}

    def settled() -> bool:
        nonlocal found
        found = work.call("describe_managed_prefix_lists", PrefixListIds=[work.id])["PrefixLists"][0]
        if str(found.get("State", "")).endswith("-failed"):
            raise ProviderError(f"{work.describe_doing()}: {found['State']}: {found.get('StateMessage')}")
        return not str(found.get("State", "")).endswith("-in-progress")

    work.until(settled, "the prefix list to be changed", 900)
    return found


def _await_deletion(work: Work) -> None:
    work.until(
        lambda: (found := described(work)) is None or found.get("State") == "delete-complete",
        "the prefix list to be deleted",
        900,
    )


MANAGED_PREFIX_LIST = Resource(  # vpc_managed_prefix_list.go
    type="aws:ec2/managedPrefixList:ManagedPrefixList",
    label="EC2 Managed Prefix List",
    service="ec2",
    properties={
        "name": Property(sends="PrefixListName", longest=255),
        "addressFamily": Property(replaces=True, allowed=("IPv4", "IPv6")),
        "maxEntries": Property(between=(1, 1000)),
        "entries": Property(form=SetOf(nested("cidr description"), key="cidr"), computed=True),
    },
    create=(_create_prefix_list,),
    updates=(Update(on=("name", "maxEntries", "entries"), do=_update_prefix_list),),
    reads=(
        Look(
            operation="describe_managed_prefix_lists", parameters={"PrefixListIds": ["{id}"]}, result="PrefixLists[0]"
        ),
        Look(
            operation="get_managed_prefix_list_entries",
            parameters={"PrefixListId": "{id}"},
            result="Entries",
            into="Entries",
        ),
    ),
    delete=(
        Call(
            operation="delete_managed_prefix_list",
            parameters={"PrefixListId": "{id}"},
            retries=("DependencyViolation",),
        ),
        _await_deletion,
    ),
    computed={"arn": "PrefixListArn", "ownerId": "OwnerId", "version": "Version"},
    renews={"version": ("entries",)},
    tags=tagging.ec2("prefix-list"),
    name=Name(prefix_property=""),
    gone=("InvalidPrefixListID.NotFound", "InvalidPrefixListId.NotFound"),
)

ROWS = (SECURITY_GROUP, DEFAULT_SECURITY_GROUP, INGRESS_RULE, EGRESS_RULE, MANAGED_PREFIX_LIST)
