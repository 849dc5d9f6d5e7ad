"""What a platform engineer would see: four environments, brought up by the real engine, looked at with boto3.

One lab for all of them, in the order of an environment's life: each test says what holds at that point, and the last
ones change and destroy.
"""

import json
from collections import Counter
from typing import Any

import pytest

from infra.tags import REQUIRED_TAGS
from tests.shows.environments import STACKS, Environments

pytestmark = [pytest.mark.engine, pytest.mark.scenario]

RECORDS = {
    "live": "dos.eps.digital.nhs.uk.",
    "nft": "dos-nft.eps.digital.nhs.uk.",
    "int": "dos-int.eps.digital.nhs.uk.",
    "dev": "dos-dev.eps.digital.nhs.uk.",
}


def test_each_name_is_an_alias_of_its_own_network_load_balancer(environments: Environments) -> None:
    aliases = environments.aliases()
    balancers = {f"{one['DNSName']}.".lower(): one for one in environments.balancers()}
    assert set(RECORDS.values()) <= aliases.keys()
    targets = [aliases[name] for name in RECORDS.values()]
    assert len(set(targets)) == 4
    for target in targets:
        balancer = balancers[target if target.endswith(".") else f"{target}."]
        assert (balancer["Type"], balancer["Scheme"]) == ("network", "internet-facing")
        assert len(balancer["SecurityGroups"]) == 1


@pytest.mark.parametrize("stack", STACKS)
def test_each_zone_has_one_elastic_ip_and_the_outputs_name_it(environments: Environments, stack: str) -> None:
    balancer = environments.balancer(stack)
    addresses = {
        zone["ZoneName"]: [one["IpAddress"] for one in zone["LoadBalancerAddresses"]]
        for zone in balancer["AvailabilityZones"]
    }
    assert {zone: [address] for zone, address in environments.outputs(stack)["virtualIps"].items()} == addresses
    owned = environments.client("ec2").describe_addresses(Filters=_tagged(stack))["Addresses"]
    assert {one["PublicIp"] for one in owned} == {address for found in addresses.values() for address in found}


@pytest.mark.parametrize("stack", STACKS)
def test_exactly_one_listener_tcp_443(environments: Environments, stack: str) -> None:
    arn = environments.balancer(stack)["LoadBalancerArn"]
    listeners = environments.client("elbv2").describe_listeners(LoadBalancerArn=arn)["Listeners"]
    assert [(one["Protocol"], one["Port"]) for one in listeners] == [("TCP", 443)]


@pytest.mark.parametrize("stack", STACKS)
def test_every_zone_has_a_healthy_target_of_the_right_group(environments: Environments, stack: str) -> None:
    instances = {one["InstanceId"]: one["AvailabilityZone"] for one in environments.group(stack)["Instances"]}
    healthy = environments.healthy_targets(stack)
    assert healthy <= instances.keys()
    assert {instances[one] for one in healthy} == {"eu-west-2a", "eu-west-2b", "eu-west-2c"}


def test_nfts_counts_are_lives_times_the_scale_rounded_up_and_one_per_zone_at_least(environments: Environments) -> None:
    live, nft = environments.group("live"), environments.group("nft")
    assert environments.outputs("nft")["scale"] == "0.5"
    for bound in ("MinSize", "MaxSize"):
        assert nft[bound] == max(-(-live[bound] // 2), 3)


@pytest.mark.parametrize("stack", STACKS)
def test_443_from_the_environments_prefix_list_is_the_only_way_in(environments: Environments, stack: str) -> None:
    ec2 = environments.client("ec2")
    (group_id,) = environments.balancer(stack)["SecurityGroups"]
    rules = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group_id]}])
    ingress = [one for one in rules["SecurityGroupRules"] if not one["IsEgress"]]
    (prefix_list,) = ec2.describe_managed_prefix_lists(Filters=_tagged(stack))["PrefixLists"]
    seen = [(one["IpProtocol"], one["FromPort"], one["ToPort"], one.get("PrefixListId")) for one in ingress]
    assert seen == [("tcp", 443, 443, prefix_list["PrefixListId"])]
    vpc_groups = ec2.describe_security_groups(Filters=_tagged(stack))["SecurityGroups"]
    opened = {
        (rule["IpProtocol"], rule.get("FromPort"), rule.get("ToPort"))
        for group in vpc_groups
        for rule in (*group["IpPermissions"], *group["IpPermissionsEgress"])
    }
    assert opened == {("tcp", 443, 443)}


@pytest.mark.parametrize("stack", ["live", "int", "dev"])
def test_datasets_are_private_versioned_and_encrypted(environments: Environments, stack: str) -> None:
    s3, bucket = environments.client("s3"), environments.outputs(stack)["dataset"]["bucket"]
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    assert set(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values()) == {True}
    (rule,) = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    statements = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
    assert "TlsOnly" in [one["Sid"] for one in statements]


def test_nft_reads_lives_dataset_and_may_write_nothing_in_it(environments: Environments) -> None:
    bucket = environments.outputs("live")["dataset"]["bucket"]
    assert environments.outputs("nft")["dataset"] == {"kind": "Live", "bucket": bucket}
    role = environments.client("iam").get_role(RoleName="eps-dos-api-nft-service")["Role"]["Arn"]
    simulated = environments.client("iam").simulate_principal_policy(
        PolicySourceArn=role,
        ActionNames=["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:PutObjectAcl"],
        ResourceArns=[f"arn:aws:s3:::{bucket}/a"],
    )
    decisions = {one["EvalActionName"]: one["EvalDecision"] for one in simulated["EvaluationResults"]}
    assert decisions == {
        "s3:GetObject": "allowed",
        "s3:PutObject": "explicitDeny",
        "s3:DeleteObject": "explicitDeny",
        "s3:PutObjectAcl": "explicitDeny",
    }


@pytest.mark.parametrize("stack", STACKS)
def test_every_taggable_resource_has_every_tag(environments: Environments, stack: str) -> None:
    lacking = {
        urn: sorted(set(REQUIRED_TAGS) - tags.keys())
        for urn, tags in environments.tags_in_aws(stack).items()
        if not set(REQUIRED_TAGS) <= tags.keys() or tags["Environment"] != stack
    }
    assert lacking == {}


@pytest.mark.parametrize("stack", STACKS)
def test_nothing_changes_after_a_refresh(environments: Environments, stack: str) -> None:
    environments.pulumi("refresh", "--stack", stack, "--yes")
    environments.pulumi("preview", "--stack", stack, "--expect-no-changes")


def test_live_refuses_to_be_destroyed_and_says_why_and_how(environments: Environments) -> None:
    before = environments.inventory("live")
    refused = environments.pulumi("destroy", "--stack", "live", "--yes", check=False)
    assert refused.returncode != 0
    assert "protected" in refused.stdout + refused.stderr
    assert "pulumi state unprotect" in refused.stdout + refused.stderr
    assert environments.inventory("live") == before


def test_the_states_agree_that_nft_mirrors_live_until_somebody_edits_it_by_hand(environments: Environments) -> None:
    assert "state: live → nft" in environments.eps_dos("mirror", "nft").stdout
    target_group = environments.group("nft")["TargetGroupARNs"][0]
    elbv2 = environments.client("elbv2")
    elbv2.modify_target_group(TargetGroupArn=target_group, HealthCheckIntervalSeconds=30)
    environments.pulumi("refresh", "--stack", "nft", "--yes")
    drifted = environments.eps_dos("mirror", "nft", "--level", "state", check=False)
    assert drifted.returncode == 1
    assert "TargetGroup tg healthCheck.interval: 10 → 30" in drifted.stdout
    # The state no longer knows, the program does.
    undeclared = environments.eps_dos("verify", "nft", "--drift", check=False)
    assert undeclared.returncode == 1
    assert "TargetGroup tg healthCheck.interval: 10 → 30 (not as declared)" in undeclared.stdout
    elbv2.modify_target_group(TargetGroupArn=target_group, HealthCheckIntervalSeconds=10)
    environments.pulumi("refresh", "--stack", "nft", "--yes")
    environments.eps_dos("mirror", "nft", "--level", "state")


def test_destroying_dev_leaves_nothing_of_it(environments: Environments) -> None:
    environments.pulumi("destroy", "--stack", "dev", "--yes")
    assert environments.inventory("dev") == Counter()
    assert "dos-dev.eps.digital.nhs.uk." not in environments.aliases()


def test_a_published_address_survives_a_destroy(environments: Environments) -> None:
    environments.publish("int")
    environments.up("int")
    kept = set(environments.outputs("int")["virtualIps"].values())
    refused = environments.pulumi("destroy", "--stack", "int", "--yes", check=False)
    assert refused.returncode != 0
    environments.pulumi("destroy", "--stack", "int", "--yes", "--exclude-protected", check=False)
    assert kept <= {one["PublicIp"] for one in environments.client("ec2").describe_addresses()["Addresses"]}


def test_the_checkout_is_as_it_was(environments: Environments) -> None:
    environments.undo_edits()
    assert environments.changes_of_the_checkout() == ""


def _tagged(stack: str) -> list[dict[str, Any]]:
    return [{"Name": "tag:Environment", "Values": [stack]}]
