"""What a killed run has left: all of it goes, whatever it is, and nothing that is another's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.deciding import load_environment
from infra.deploying_role import policy_of_tests
from infra.errors import ConfigError
from infra.naming import stack_names
from infra.recording import record
from ops.aws import leftovers
from ops.aws.clients import Aws
from ops.aws.leftover_kinds import _interface_command
from ops.aws.leftovers import Leftover, find, of_others, remove
from tests.infra.sample import environment
from tests.ops.aws.leftover_world import (
    KINDS,
    REGION,
    TRUST,
    ZONE,
    Emulator,
    World,
    account,
    alias,
    aws_of,
    bucket,
    emulator,
    hosted_zone,
    pairs,
    subject,
    tags,
)

CHECKOUT = Path(__file__).parents[3]
NAME, BESIDE = "pr", "pr-2"
"""The names of one begin as those of the other do."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with emulator(tmp_path_factory.mktemp("emulator")) as made:
        yield made


@pytest.fixture(scope="module")
def clients(running: Emulator) -> Iterator[Aws]:
    with pytest.MonkeyPatch.context() as patch:
        yield aws_of(running, patch)


@pytest.fixture
def aws(running: Emulator, clients: Aws) -> Aws:
    """An account with the zone of all, and nothing else."""
    running.ask("POST", "reset")
    hosted_zone(clients)
    return clients


def removed(aws: Aws, of: Any = None, wait: Callable[[float], object] = lambda _: None) -> tuple[Leftover, ...]:
    """Remove what the run has left, with a clock that waits for nobody."""
    return remove(aws, of or subject(NAME), lambda _: None, wait=wait)


def test_a_whole_environment_goes_and_the_one_beside_it_stays(aws: Aws) -> None:
    World(aws, BESIDE, network=50).make(KINDS)
    before = account(aws)
    World(aws, NAME, network=60).make(KINDS)
    assert len(account(aws)) > len(before) + len(KINDS)
    assert removed(aws) == ()
    assert account(aws) == before
    assert find(aws, subject(NAME)) == ()


ENDS_AS = {
    "aws:autoscaling/group:Group": "scaling group",
    "aws:autoscaling/policy:Policy": "scaling group",
    "aws:autoscaling/schedule:Schedule": "scaling group",
    "aws:cloudwatch/compositeAlarm:CompositeAlarm": "composite alarm",
    "aws:cloudwatch/dashboard:Dashboard": "dashboard",
    "aws:cloudwatch/logGroup:LogGroup": "log group",
    "aws:cloudwatch/metricAlarm:MetricAlarm": "alarm",
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": "VPC",
    "aws:ec2/eip:Eip": "Elastic IP",
    "aws:ec2/flowLog:FlowLog": "flow log",
    "aws:ec2/internetGateway:InternetGateway": "internet gateway",
    "aws:ec2/launchTemplate:LaunchTemplate": "launch template",
    "aws:ec2/managedPrefixList:ManagedPrefixList": "prefix list",
    "aws:ec2/route:Route": "route table",
    "aws:ec2/routeTable:RouteTable": "route table",
    "aws:ec2/routeTableAssociation:RouteTableAssociation": "route table",
    "aws:ec2/securityGroup:SecurityGroup": "security group",
    "aws:ec2/subnet:Subnet": "subnet",
    "aws:ec2/vpc:Vpc": "VPC",
    "aws:ec2/vpcEndpoint:VpcEndpoint": "endpoint",
    "aws:iam/instanceProfile:InstanceProfile": "instance profile",
    "aws:iam/role:Role": "role",
    "aws:iam/rolePolicy:RolePolicy": "role",
    "aws:lb/listener:Listener": "load balancer",
    "aws:lb/loadBalancer:LoadBalancer": "load balancer",
    "aws:lb/targetGroup:TargetGroup": "target group",
    "aws:route53/record:Record": "record",
    "aws:s3/bucket:Bucket": "bucket",
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": "bucket",
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": "bucket",
    "aws:s3/bucketPolicy:BucketPolicy": "bucket",
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": "bucket",
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": "bucket",
    "aws:s3/bucketVersioning:BucketVersioning": "bucket",
    "aws:sns/topic:Topic": "topic",
    "aws:sns/topicPolicy:TopicPolicy": "topic",
    "aws:sns/topicSubscription:TopicSubscription": "topic",
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": "security group",
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": "security group",
}
"""As which kind each type of the program is found, itself or with what it ends with."""


@pytest.mark.parametrize("stack", stack_names(CHECKOUT))
def test_every_type_of_the_program_ends_as_something_that_is_looked_for(stack: str) -> None:
    used = {one.type for one in record(load_environment(stack, CHECKOUT)) if one.type.startswith("aws:")}
    assert sorted(used - ENDS_AS.keys()) == []


def test_each_kind_is_found(aws: Aws) -> None:
    World(aws, NAME, network=60).make(KINDS)
    kinds = {one.kind for one in find(aws, subject(NAME))}
    assert kinds == {*ENDS_AS.values(), "instance", "volume", "network interface"}


BY_ANOTHER_NAME = {
    "elbv2": "elasticloadbalancing",
    "s3:DeleteObjects": "s3:DeleteObjectVersion",
    "s3:GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "s3:GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "s3:HeadBucket": "s3:ListBucket",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
}
"""What IAM calls services and actions that have another name in the API (Service Authorization Reference)."""


def test_every_call_is_allowed_to_who_deploys_environments_made_for_a_test(running: Emulator, aws: Aws) -> None:
    document: Any = policy_of_tests([environment("live")], "123456789012", "aws")
    listed = [one["Action"] for one in document["Statement"] if one["Effect"] == "Allow"]
    allowed = [action for each in listed for action in ([each] if isinstance(each, str) else each)]
    World(aws, NAME, network=60).make(KINDS)
    before = running.ask("GET", "calls")
    assert removed(aws) == ()
    made = [call for call, count in running.ask("GET", "calls").items() if count > before.get(call, 0)]
    assert {"ec2.TerminateInstances", "s3.DeleteObjects"} <= set(made)
    for call in made:
        service, _, action = call.partition(".")
        name = f"{BY_ANOTHER_NAME.get(service, service)}:{action}"
        assert any(fnmatchcase(BY_ANOTHER_NAME.get(name, name), one) for one in allowed), name


@pytest.mark.parametrize(
    "kinds",
    [
        ("vpc",),
        ("subnets", "gateway", "routes"),
        ("lone gateway", "lone volume", "address", "prefix list"),
        ("load balancer",),
        ("target group", "rules"),
        ("S3 endpoint", "logs endpoint", "flow log"),
        ("role policy",),
        ("role in profile",),
        ("bucket", "log group", "dashboard", "subscription"),
        ("scaling", "listener", "lone instance", "lone interface"),
        ("alarms in a circle",),
    ],
    ids=" and ".join,
)
def test_what_a_killed_run_leaves_goes(aws: Aws, kinds: tuple[str, ...]) -> None:
    before = account(aws)
    World(aws, NAME, network=60).make(kinds)
    assert account(aws) > before
    assert find(aws, subject(NAME))
    assert removed(aws) == ()
    assert account(aws) == before


# Nothing is shared between two examples but the account, which each leaves as it was.
@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(kinds=st.sets(st.sampled_from(sorted(KINDS)), min_size=1), beside=st.sets(st.sampled_from(sorted(KINDS))))
def test_whatever_is_left_goes_and_whatever_is_beside_it_stays(aws: Aws, kinds: set[str], beside: set[str]) -> None:
    World(aws, BESIDE, network=50).make(sorted(beside))
    before = account(aws)
    World(aws, NAME, network=60).make(sorted(kinds))
    assert removed(aws) == ()
    assert account(aws) == before
    assert removed(aws, subject(BESIDE)) == ()


@pytest.mark.parametrize("name", ["live", "nft", "int", "dev", "live-pr-1", "dev-2"])
def test_a_permanent_environment_is_refused_before_anything_is_asked(running: Emulator, aws: Aws, name: str) -> None:
    running.ask("POST", "reset")
    with pytest.raises(ConfigError, match="is permanent"):
        removed(aws, subject(name))
    assert running.ask("GET", "calls") == {}


@pytest.mark.parametrize("name", ["", "..", "-y", "a b", "a*", "?r", "PR", "x" * 200])
def test_a_name_that_no_stack_has_is_refused_before_anything_is_asked(running: Emulator, aws: Aws, name: str) -> None:
    running.ask("POST", "reset")
    with pytest.raises(ConfigError, match="stack name"):
        removed(aws, subject(name))
    assert running.ask("GET", "calls") == {}


OTHERS = [
    {**tags(NAME), "Environment": "live"},
    {**tags(NAME), "Project": "another"},
    {"Owner": "somebody"},
]


@pytest.mark.parametrize("of", OTHERS, ids=str)
def test_what_has_the_name_and_tags_that_say_otherwise_stays(aws: Aws, of: dict[str, str]) -> None:
    role, profile = f"eps-dos-api-{NAME}-service", f"{NAME}-service-1a2b3c4"
    aws.iam.create_role(RoleName=role, AssumeRolePolicyDocument=TRUST, Tags=pairs(of))
    aws.iam.create_instance_profile(InstanceProfileName=profile, Tags=pairs(of))
    aws.iam.add_role_to_instance_profile(InstanceProfileName=profile, RoleName=role)
    aws.logs.create_log_group(logGroupName=f"{NAME}-flow-log-1a2b3c4", tags=of)
    aws.sns.create_topic(Name=f"{NAME}-alarms-1a2b3c4", Tags=pairs(of))
    aws.cloudwatch.put_metric_alarm(
        AlarmName=f"{NAME}-at-maximum-1a2b3c4", Namespace="a", MetricName="b", Statistic="Sum", Period=60,
        EvaluationPeriods=1, Threshold=1, ComparisonOperator="LessThanThreshold", Tags=pairs(of),
    )  # fmt: skip
    aws.ec2.create_managed_prefix_list(
        PrefixListName=f"eps-dos-api-{NAME}-clients", AddressFamily="IPv4", MaxEntries=1,
        TagSpecifications=[{"ResourceType": "prefix-list", "Tags": pairs(of)}],
    )  # fmt: skip
    bucket(aws, f"eps-dos-api-{NAME}-dataset", of)
    bucket(aws, f"eps-dos-api-{NAME}-empty", of, objects=0)
    before = account(aws)
    assert removed(aws) == ()
    assert removed(aws, replace(subject(NAME), bucket=f"eps-dos-api-{NAME}-empty")) == ()
    assert account(aws) == before


def test_lives_bucket_stays_whoever_reads_it(aws: Aws) -> None:
    """A mirror made for one test names Live's."""
    bucket(aws, "eps-dos-api-live-dataset", tags("live"))
    before = account(aws)
    World(aws, NAME, network=60).make(["vpc", "role policy"])
    assert removed(aws, replace(subject(NAME), bucket="eps-dos-api-live-dataset")) == ()
    assert account(aws) == before


def test_lives_bucket_stays_even_if_it_has_lost_its_tags_and_its_objects(aws: Aws) -> None:
    bucket(aws, "eps-dos-api-live-dataset", {}, objects=0)
    before = account(aws)
    assert removed(aws, replace(subject(NAME), bucket="eps-dos-api-live-dataset")) == ()
    assert account(aws) == before


def test_a_bucket_that_was_made_and_not_yet_tagged_goes_if_it_is_empty(aws: Aws) -> None:
    before = account(aws)
    bucket(aws, f"eps-dos-api-{NAME}-dataset", {}, objects=0)
    assert [(one.kind, one.by) for one in find(aws, subject(NAME))] == [("bucket", "name")]
    assert removed(aws) == ()
    assert account(aws) == before


def test_a_bucket_without_tags_that_holds_something_is_told_and_stays(aws: Aws) -> None:
    bucket(aws, f"eps-dos-api-{NAME}-dataset", {})
    before = account(aws)
    (left,) = removed(aws, wait=never)
    assert str(left) == (
        f"bucket eps-dos-api-{NAME}-dataset (by its name): holds objects, and has no tags that say whose they are"
    )
    assert account(aws) == before


def never(_: float) -> None:
    raise AssertionError("there is nothing to wait for")


def test_a_role_that_has_no_tags_goes_by_its_name(aws: Aws) -> None:
    before = account(aws)
    aws.iam.create_role(RoleName=f"eps-dos-api-{NAME}-service", AssumeRolePolicyDocument=TRUST)
    assert [(one.kind, one.by) for one in find(aws, subject(NAME))] == [("role", "name")]
    assert removed(aws) == ()
    assert account(aws) == before


def test_a_record_goes_when_its_load_balancer_is_gone_already(aws: Aws) -> None:
    before = account(aws)
    World(aws, NAME, network=60).make(["record"])
    arns = [one["LoadBalancerArn"] for one in aws.elbv2.describe_load_balancers()["LoadBalancers"]]
    aws.elbv2.delete_load_balancer(LoadBalancerArn=arns[0])
    assert removed(aws) == ()
    assert account(aws) == before


@pytest.mark.parametrize(
    "target",
    [
        f"{BESIDE}-lb-1a2b3c4-0123456789abcdef.elb.eu-west-2.amazonaws.com",
        f"{NAME}-lb-1a2b3c4-0123456789abcdef.elb.eu-west-1.amazonaws.com",
        "somebodys-0123456789abcdef.elb.eu-west-2.amazonaws.com",
    ],
)
def test_a_record_that_leads_elsewhere_stays(aws: Aws, target: str) -> None:
    zone = {"eu-west-1": "Z2IFOLAFXWLO4F", "eu-west-2": "ZD4D7Y8KGAS4G"}[target.split(".")[2]]
    alias(aws, f"dos-{NAME}.{ZONE}", target, zone)
    before = account(aws)
    assert removed(aws) == ()
    assert account(aws) == before


def test_a_record_that_leads_to_anothers_load_balancer_stays_and_so_does_anothers_name(aws: Aws) -> None:
    World(aws, BESIDE, network=50).make(["record"])
    (balancer,) = aws.elbv2.describe_load_balancers()["LoadBalancers"]
    alias(aws, f"dos-{NAME}.{ZONE}", balancer["DNSName"])
    before = account(aws)
    assert removed(aws) == ()
    assert account(aws) == before


def test_lives_name_stays_whatever_it_leads_to(aws: Aws) -> None:
    alias(aws, f"dos.{ZONE}", f"{NAME}-lb-1a2b3c4-0123456789abcdef.elb.eu-west-2.amazonaws.com")
    before = account(aws)
    assert removed(aws, replace(subject(NAME), dns_name=f"dos.{ZONE}")) == ()
    assert account(aws) == before


def protect(aws: Aws) -> None:
    (balancer,) = aws.elbv2.describe_load_balancers()["LoadBalancers"]
    aws.elbv2.modify_load_balancer_attributes(
        LoadBalancerArn=balancer["LoadBalancerArn"],
        Attributes=[{"Key": "deletion_protection.enabled", "Value": "true"}],
    )


def test_what_is_refused_is_told_with_the_reason_and_does_not_keep_the_rest(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leftovers, "PATIENCE_SECONDS", 20)
    World(aws, NAME, network=60).make(["listener", "bucket", "role in profile", "composite alarm", "topic"])
    protect(aws)
    pauses: list[float] = []
    left = {one.kind: one.reason for one in removed(aws, wait=pauses.append)}
    # What the load balancer sends to and is in stays with it, and nothing else; whether AWS lets go of the gateway is
    # another matter.
    assert set(left) - {"internet gateway"} == {"load balancer", "target group", "security group", "subnet", "VPC"}
    assert left["load balancer"].startswith("OperationNotPermitted: ")
    assert left["subnet"].startswith("DependencyViolation: ")
    assert pauses == [1, 2, 4, 8, 15]


def test_what_ends_with_an_instance_is_waited_for(aws: Aws) -> None:
    """The instance is somebody's, the volume at it this environment's: it isn't detached, only waited for."""
    before = account(aws)
    World(aws, NAME, network=60).make(["lone volume"])
    World(aws, BESIDE, network=50).make(["lone instance"])
    (volume,) = [one.id for one in find(aws, subject(NAME))]
    (instance,) = [one.id for one in find(aws, subject(BESIDE)) if one.kind == "instance"]
    aws.ec2.attach_volume(VolumeId=volume, InstanceId=instance, Device="/dev/sdf")
    (waiting,) = find(aws, subject(NAME))
    assert str(waiting) == f"volume {volume} (by its tags): ends with its instance"
    pauses: list[float] = []

    def wait(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            aws.ec2.terminate_instances(InstanceIds=[instance])

    assert removed(aws, wait=wait) == ()
    assert pauses == [1, 2, 4]
    assert removed(aws, subject(BESIDE)) == ()
    assert account(aws) == before


GUARDED: list[Any] = [{"Key": "GuardDutyManaged", "Value": "true"}]
THEIRS: list[Any] = [{"Key": "Owner", "Value": "another team"}]


def guard(world: World) -> tuple[str, str]:
    """Do to a VPC what GuardDuty does to every VPC; return (endpoint, security group)."""
    ec2, vpc = world.aws.ec2, world.ids["vpc"]
    group = ec2.create_security_group(
        VpcId=vpc, GroupName=f"GuardDutyManagedSecurityGroup-{vpc}", Description="Associated with VPC",
        TagSpecifications=[{"ResourceType": "security-group", "Tags": GUARDED}],
    )["GroupId"]  # fmt: skip
    endpoint = ec2.create_vpc_endpoint(
        VpcId=vpc, ServiceName=f"com.amazonaws.{REGION}.guardduty-data", VpcEndpointType="Interface",
        SubnetIds=world.ids["subnets"], SecurityGroupIds=[group],
        TagSpecifications=[{"ResourceType": "vpc-endpoint", "Tags": GUARDED}],
    )["VpcEndpoint"]["VpcEndpointId"]  # fmt: skip
    return str(endpoint), group


def test_what_a_service_puts_into_every_vpc_is_named_and_its_group_goes_with_its_endpoint(aws: Aws) -> None:
    world = World(aws, NAME, network=60).make(["subnets", "routes"])
    endpoint, _ = guard(world)
    command = f"aws ec2 delete-vpc-endpoints --vpc-endpoint-ids {endpoint} --region {REGION}"
    (seen,) = of_others(aws, subject(NAME))
    why = f"isn't this environment's to remove; whoever may: {command}"
    assert str(seen) == f"endpoint {endpoint} (of GuardDuty, in its network): {why}"
    left = removed(aws, wait=never)
    # What nothing of another's is in has gone.
    assert {one.kind for one in left} == {"endpoint", "security group", "subnet", "VPC"}
    assert seen in left
    aws.ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint])
    assert removed(aws) == ()
    assert find(aws, subject(NAME)) == ()


def test_what_others_put_into_its_vpc_is_named_with_its_owner_and_stays(aws: Aws) -> None:
    ec2 = aws.ec2
    world = World(aws, NAME, network=60).make(["subnets", "security groups"])
    vpc, (subnet, _) = world.ids["vpc"], world.ids["subnets"]
    tagged: Any = {"TagSpecifications": [{"ResourceType": "security-group", "Tags": THEIRS}]}
    group = ec2.create_security_group(VpcId=vpc, GroupName="debugging", Description="a port", **tagged)["GroupId"]
    interface = ec2.create_network_interface(SubnetId=subnet, Description="a scanner")["NetworkInterface"]
    own_subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.60.9.0/24")["Subnet"]["SubnetId"]
    elsewhere = World(aws, BESIDE, network=50).make(["subnets"])
    guard(elsewhere)
    named = {(one.kind, one.id): str(one) for one in of_others(aws, subject(NAME))}
    assert set(named) == {
        ("security group", group), ("network interface", interface["NetworkInterfaceId"]), ("subnet", own_subnet),
    }  # fmt: skip
    said = named["security group", group]
    assert "(debugging, a port, Owner another team), in its network): isn't this environment's to remove" in said
    assert said.endswith(f"aws ec2 delete-security-group --group-id {group} --region {REGION}")
    left = {(one.kind, one.id) for one in removed(aws, wait=never)}
    assert left == {*named, ("subnet", subnet), ("VPC", vpc)}
    assert {one["GroupId"] for one in ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]} == {group}


def test_what_goes_with_something_of_the_environment_s_own_is_nobody_else_s(aws: Aws) -> None:
    World(aws, NAME, network=60).make(KINDS)
    assert of_others(aws, subject(NAME)) == ()


@pytest.mark.parametrize(
    ("interface", "command"),
    [
        ({"NetworkInterfaceId": "eni-1"}, "aws ec2 delete-network-interface --network-interface-id eni-1"),
        (
            {"NetworkInterfaceId": "eni-1", "Attachment": {"AttachmentId": "eni-attach-1"}},
            "aws ec2 detach-network-interface --force --attachment-id eni-attach-1, then aws ec2 "
            "delete-network-interface --network-interface-id eni-1",
        ),
        (
            {"NetworkInterfaceId": "eni-1", "Description": "ELB app/theirs/0123456789abcdef"},
            "aws elbv2 delete-load-balancer --load-balancer-arn $(aws elbv2 describe-load-balancers --names theirs "
            "--query 'LoadBalancers[0].LoadBalancerArn' --output text)",
        ),
        # Whoever names a thing gets no command of their own into ours.
        (
            {"NetworkInterfaceId": "eni-1", "Description": "ELB app/$(reboot)/0"},
            "aws ec2 delete-network-interface --network-interface-id eni-1",
        ),
    ],
)
def test_the_command_that_removes_an_interface(interface: dict[str, Any], command: str) -> None:
    assert _interface_command(interface) == command


@pytest.mark.parametrize("number", [1, 9, 23])
def test_after_an_interruption_the_next_run_removes_the_rest(aws: Aws, number: int) -> None:
    before = account(aws)
    World(aws, NAME, network=60).make(KINDS)
    told: list[str] = []

    def tell(line: str) -> None:
        told.append(line)
        if len(told) == number:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        remove(aws, subject(NAME), tell, wait=never)
    assert account(aws) > before
    assert removed(aws) == ()
    assert account(aws) == before


def test_two_runs_at_once_do_not_mind_each_other(aws: Aws) -> None:
    before = account(aws)
    World(aws, NAME, network=60).make(KINDS)
    told: list[str] = []

    def tell(line: str) -> None:
        told.append(line)
        if len(told) == 3:
            assert removed(aws) == ()

    assert remove(aws, subject(NAME), tell, wait=never) == ()
    # The first had found it all before the second removed it.
    assert len(told) > len(before) / 2
    assert account(aws) == before


def test_what_vanishes_between_two_looks_at_it_is_gone(aws: Aws) -> None:
    World(aws, NAME, network=60).make(["role", "topic"])
    name = f"eps-dos-api-{NAME}-service"

    def vanish(**_: Any) -> None:
        aws.iam.meta.events.unregister("before-call.iam.GetRole", vanish)
        aws.iam.delete_role(RoleName=name)

    aws.iam.meta.events.register("before-call.iam.GetRole", vanish)
    assert [one.kind for one in find(aws, subject(NAME))] == ["topic"]


def test_being_throttled_is_no_reason_to_stop(running: Emulator, aws: Aws) -> None:
    before = account(aws)
    World(aws, NAME, network=60).make(["vpc", "lone gateway"])
    running.ask("PUT", "faults", {"throttle": {"service": "ec2", "action": "DeleteVpc", "times": 2}})
    assert removed(aws) == ()
    assert account(aws) == before
