"""Prefix lists: what AWS refuses, and what it keeps."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.lab.emulator.conftest import RunningEmulator
from tests.lab.emulator.network import make_network


@pytest.fixture
def ec2(emulator: RunningEmulator) -> Any:
    return emulator.client("ec2")


@pytest.fixture
def list_id(ec2: Any) -> str:
    made = ec2.create_managed_prefix_list(
        PrefixListName="clients", AddressFamily="IPv4", MaxEntries=3,
        Entries=[{"Cidr": "192.0.2.0/28", "Description": "one"}],
    )  # fmt: skip
    return str(made["PrefixList"]["PrefixListId"])


def entries(ec2: Any, list_id: str) -> dict[str, str]:
    found = ec2.get_managed_prefix_list_entries(PrefixListId=list_id)["Entries"]
    return {one["Cidr"]: one.get("Description", "") for one in found}


def ranges(count: int) -> list[dict[str, str]]:
    return [{"Cidr": f"198.51.{index // 16}.{16 * (index % 16)}/28"} for index in range(count)]


def test_a_change_of_entries_is_a_new_version_and_keeps_the_name(ec2: Any, list_id: str) -> None:
    changed = ec2.modify_managed_prefix_list(
        PrefixListId=list_id, CurrentVersion=1, AddEntries=ranges(2), RemoveEntries=[{"Cidr": "192.0.2.0/28"}]
    )["PrefixList"]
    assert (changed["PrefixListName"], changed["Version"]) == ("clients", 2)
    assert set(entries(ec2, list_id)) == {"198.51.0.0/28", "198.51.0.16/28"}


def test_adding_one_that_is_there_changes_its_description(ec2: Any, list_id: str) -> None:
    renamed = [{"Cidr": "192.0.2.0/28", "Description": "two"}]
    ec2.modify_managed_prefix_list(PrefixListId=list_id, CurrentVersion=1, AddEntries=renamed)
    assert entries(ec2, list_id) == {"192.0.2.0/28": "two"}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"CurrentVersion": 7, "AddEntries": ranges(1)}, "PrefixListVersionMismatch"),
        ({"AddEntries": ranges(1)}, "MissingParameter"),
        ({"CurrentVersion": 1, "AddEntries": ranges(3)}, "PrefixListMaxEntriesExceeded"),
        ({"CurrentVersion": 1, "MaxEntries": 5, "AddEntries": ranges(1)}, "InvalidRequest"),
        ({"MaxEntries": 0}, "InvalidParameterValue"),
    ],
)
def test_a_change_that_does_not_fit_is_refused_and_changes_nothing(
    ec2: Any, list_id: str, change: dict[str, Any], code: str
) -> None:
    with pytest.raises(ClientError, match=code):
        ec2.modify_managed_prefix_list(PrefixListId=list_id, **change)
    assert entries(ec2, list_id) == {"192.0.2.0/28": "one"}


def test_more_than_a_hundred_entries_in_a_request_are_refused(ec2: Any) -> None:
    with pytest.raises(ClientError, match="at most 100"):
        ec2.create_managed_prefix_list(PrefixListName="many", AddressFamily="IPv4", MaxEntries=200, Entries=ranges(101))


def test_the_size_can_grow_to_what_its_security_groups_bear(ec2: Any, list_id: str) -> None:
    assert ec2.modify_managed_prefix_list(PrefixListId=list_id, MaxEntries=10)["PrefixList"]["MaxEntries"] == 10
    refer(ec2, list_id)
    with pytest.raises(ClientError, match="RulesPerSecurityGroupLimitExceeded"):
        ec2.modify_managed_prefix_list(PrefixListId=list_id, MaxEntries=61)


def test_a_rule_that_refers_to_one_counts_as_its_size(ec2: Any) -> None:
    made = ec2.create_managed_prefix_list(PrefixListName="large", AddressFamily="IPv4", MaxEntries=61)
    with pytest.raises(ClientError, match="RulesPerSecurityGroupLimitExceeded"):
        refer(ec2, made["PrefixList"]["PrefixListId"])
    fitting = ec2.create_managed_prefix_list(PrefixListName="small", AddressFamily="IPv4", MaxEntries=60)
    refer(ec2, fitting["PrefixList"]["PrefixListId"])


def test_one_that_a_rule_refers_to_stays(ec2: Any, list_id: str) -> None:
    refer(ec2, list_id)
    with pytest.raises(ClientError, match="DependencyViolation"):
        ec2.delete_managed_prefix_list(PrefixListId=list_id)


def test_a_deleted_one_is_unknown(ec2: Any, list_id: str) -> None:
    ec2.delete_managed_prefix_list(PrefixListId=list_id)
    with pytest.raises(ClientError, match=r"InvalidPrefixListID\.NotFound"):
        ec2.describe_managed_prefix_lists(PrefixListIds=[list_id])


def refer(ec2: Any, list_id: str) -> None:
    permission = {
        "IpProtocol": "tcp", "FromPort": 443, "ToPort": 443,
        "PrefixListIds": [{"PrefixListId": list_id, "Description": "clients"}],
    }  # fmt: skip
    group_id = make_network(ec2).security_group_id
    (rule,) = ec2.authorize_security_group_ingress(GroupId=group_id, IpPermissions=[permission])["SecurityGroupRules"]
    assert rule["Description"] == "clients"
    (group,) = ec2.describe_security_groups(GroupIds=[group_id])["SecurityGroups"]
    assert group["IpPermissions"][0]["PrefixListIds"] == permission["PrefixListIds"]


def test_lists_are_found_by_several_tags_at_once(ec2: Any) -> None:
    for owner in ("one", "two"):
        tags = [{"Key": "Project", "Value": "p"}, {"Key": "Owner", "Value": owner}]
        ec2.create_managed_prefix_list(
            PrefixListName=owner, AddressFamily="IPv4", MaxEntries=3,
            TagSpecifications=[{"ResourceType": "prefix-list", "Tags": tags}],
        )  # fmt: skip
    filters = [{"Name": "tag:Project", "Values": ["p"]}, {"Name": "tag:Owner", "Values": ["two"]}]
    found = ec2.describe_managed_prefix_lists(Filters=filters)["PrefixLists"]
    assert [one["PrefixListName"] for one in found] == ["two"]
