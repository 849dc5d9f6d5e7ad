"""What somebody could change by hand, done to a deployed environment: `verify` names each, and nothing else.

Each fault is undone by the test that makes it; the last test sees that all is well again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from infra.types import AWS_PROVIDER, OWN_PROVIDER
from tests.shows.environments import Environments, until

pytestmark = [pytest.mark.engine, pytest.mark.scenario]

STACK, RELEASE, EARLIER = "int", "1.4.0", "1.3.0"


@pytest.fixture(scope="module", autouse=True)
def published(environments: Environments) -> None:
    """Int's addresses are published."""
    environments.publish(STACK)


def verified(environments: Environments) -> tuple[int, dict[str, str]]:
    """Return `verify`'s exit code, and the evidence of each check that failed."""
    done = environments.eps_dos("verify", STACK, "--json", check=False)
    (report,) = json.loads(done.stdout)
    return done.returncode, {one["name"]: one["evidence"] for one in report["checks"] if one["verdict"] == "failed"}


def target_group(environments: Environments) -> str:
    """Return the ARN of the group's only target group."""
    (arn,) = environments.group(STACK)["TargetGroupARNs"]
    return str(arn)


@contextmanager
def record_elsewhere(environments: Environments) -> Iterator[None]:
    route53 = environments.client("route53")
    (zone,) = route53.list_hosted_zones()["HostedZones"]
    records = route53.list_resource_record_sets(HostedZoneId=zone["Id"])["ResourceRecordSets"]
    (own,) = [one for one in records if one["Name"] == "dos-int.eps.digital.nhs.uk." and one["Type"] == "A"]
    target = {**own["AliasTarget"], "DNSName": "other.elb.eu-west-2.amazonaws.com."}

    def put(record: dict[str, Any]) -> None:
        batch = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]}
        route53.change_resource_record_sets(HostedZoneId=zone["Id"], ChangeBatch=batch)

    put({**own, "AliasTarget": target})
    yield
    put(own)


@contextmanager
def second_listener(environments: Environments) -> Iterator[None]:
    elbv2 = environments.client("elbv2")
    made = elbv2.create_listener(
        LoadBalancerArn=environments.balancer(STACK)["LoadBalancerArn"],
        Protocol="TCP",
        Port=80,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": target_group(environments)}],
    )
    yield
    elbv2.delete_listener(ListenerArn=made["Listeners"][0]["ListenerArn"])


@contextmanager
def listener_on_another_port(environments: Environments) -> Iterator[None]:
    elbv2 = environments.client("elbv2")
    arn = environments.balancer(STACK)["LoadBalancerArn"]
    (listener,) = elbv2.describe_listeners(LoadBalancerArn=arn)["Listeners"]
    elbv2.modify_listener(ListenerArn=listener["ListenerArn"], Port=8443)
    yield
    elbv2.modify_listener(ListenerArn=listener["ListenerArn"], Port=443)


@contextmanager
def swapped_address(environments: Environments) -> Iterator[None]:
    # AWS lets nobody change a load balancer's addresses: those of two zones are swapped where they are published.
    file = environments.checkout / f"Pulumi.{STACK}.yaml"
    published = file.read_text()
    first, second = (environments.outputs(STACK)["virtualIps"][zone] for zone in ("eu-west-2a", "eu-west-2b"))
    file.write_text(published.replace(first, "?").replace(second, first).replace("?", second))
    yield
    file.write_text(published)


@contextmanager
def zone_without_a_target(environments: Environments) -> Iterator[None]:
    elbv2 = environments.client("elbv2")
    group = environments.outputs(STACK)["autoScalingGroup"]
    (gone,) = [
        one["InstanceId"] for one in environments.group(STACK)["Instances"] if one["AvailabilityZone"] == "eu-west-2a"
    ]
    elbv2.deregister_targets(TargetGroupArn=target_group(environments), Targets=[{"Id": gone}])
    yield
    elbv2.register_targets(TargetGroupArn=target_group(environments), Targets=[{"Id": gone}])
    # The group may replace it, now that it is checked anew: whichever serves, all zones have one again.
    until(lambda: environments.in_service(group) == 3)


@contextmanager
def wrong_image(environments: Environments) -> Iterator[None]:
    ec2, template = environments.client("ec2"), environments.group(STACK)["LaunchTemplate"]
    identifier, version = template["LaunchTemplateId"], template["Version"]
    described = ec2.describe_launch_template_versions(LaunchTemplateId=identifier, Versions=[version])
    data = described["LaunchTemplateVersions"][0]["LaunchTemplateData"]
    made = ec2.create_launch_template_version(
        LaunchTemplateId=identifier, LaunchTemplateData={**data, "ImageId": environments.image(EARLIER)}
    )
    other = made["LaunchTemplateVersion"]["VersionNumber"]
    roll(environments, str(other))
    yield
    roll(environments, version)


def roll(environments: Environments, version: str) -> None:
    """Replace the instances by those of another template version, past Pulumi."""
    autoscaling, group = environments.client("autoscaling"), environments.group(STACK)
    name = group["AutoScalingGroupName"]
    template = {"LaunchTemplateId": group["LaunchTemplate"]["LaunchTemplateId"], "Version": version}
    autoscaling.start_instance_refresh(
        AutoScalingGroupName=name,
        DesiredConfiguration={"LaunchTemplate": template},
        Preferences={"MinHealthyPercentage": 100, "MaxHealthyPercentage": 200},
    )
    until(
        lambda: (
            autoscaling.describe_instance_refreshes(AutoScalingGroupName=name)["InstanceRefreshes"][0]["Status"]
            == "Successful"
        )
    )
    until(lambda: environments.in_service(name) == group["DesiredCapacity"])


@contextmanager
def changed_maximum(environments: Environments) -> Iterator[None]:
    autoscaling, group = environments.client("autoscaling"), environments.group(STACK)
    autoscaling.update_auto_scaling_group(AutoScalingGroupName=group["AutoScalingGroupName"], MaxSize=60)
    yield
    autoscaling.update_auto_scaling_group(AutoScalingGroupName=group["AutoScalingGroupName"], MaxSize=group["MaxSize"])


@contextmanager
def dataset_writable(environments: Environments) -> Iterator[None]:
    s3, bucket = environments.client("s3"), environments.outputs(STACK)["dataset"]["bucket"]
    policy = s3.get_bucket_policy(Bucket=bucket)["Policy"]
    granted = {
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::111122223333:root"},
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{bucket}/*",
    }
    document = json.loads(policy)
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({**document, "Statement": [*document["Statement"], granted]}))
    yield
    s3.put_bucket_policy(Bucket=bucket, Policy=policy)


@contextmanager
def dataset_writable_by_instances(environments: Environments) -> Iterator[None]:
    iam, role = environments.client("iam"), f"eps-dos-api-{STACK}-service"
    statement = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_role_policy(RoleName=role, PolicyName="by-hand", PolicyDocument=document)
    yield
    iam.delete_role_policy(RoleName=role, PolicyName="by-hand")


@contextmanager
def public_bucket(environments: Environments) -> Iterator[None]:
    s3, bucket = environments.client("s3"), environments.outputs(STACK)["dataset"]["bucket"]
    block = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    s3.delete_public_access_block(Bucket=bucket)
    yield
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=block)


@contextmanager
def extra_rule(environments: Environments) -> Iterator[None]:
    ec2 = environments.client("ec2")
    (group,) = ec2.describe_security_groups(Filters=named("service"))["SecurityGroups"]
    rule = {"GroupId": group["GroupId"], "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIp": "10.0.0.0/8"}
    ec2.authorize_security_group_ingress(**rule)
    yield
    ec2.revoke_security_group_ingress(**rule)


@contextmanager
def no_default_route(environments: Environments) -> Iterator[None]:
    ec2 = environments.client("ec2")
    (table,) = ec2.describe_route_tables(Filters=named("public"))["RouteTables"]
    route = {"RouteTableId": table["RouteTableId"], "DestinationCidrBlock": "0.0.0.0/0"}
    (gateway,) = [one["GatewayId"] for one in table["Routes"] if one["DestinationCidrBlock"] == "0.0.0.0/0"]
    ec2.delete_route(**route)
    yield
    ec2.create_route(**route, GatewayId=gateway)


@contextmanager
def revoked_rule(environments: Environments) -> Iterator[None]:
    ec2 = environments.client("ec2")
    (rule,) = ec2.describe_security_group_rules(Filters=named("clients-in"))["SecurityGroupRules"]
    permission = {
        "IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "PrefixListIds": [{"PrefixListId": rule["PrefixListId"]}],
    }  # fmt: skip
    ec2.revoke_security_group_ingress(GroupId=rule["GroupId"], SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]])
    yield
    tags = [{"ResourceType": "security-group-rule", "Tags": rule["Tags"]}]
    ec2.authorize_security_group_ingress(GroupId=rule["GroupId"], IpPermissions=[permission], TagSpecifications=tags)


@contextmanager
def denied_by_an_acl(environments: Environments) -> Iterator[None]:
    ec2 = environments.client("ec2")
    (subnet,) = ec2.describe_subnets(Filters=named("public-eu-west-2b"))["Subnets"]
    guarding = [{"Name": "association.subnet-id", "Values": [subnet["SubnetId"]]}]
    (acl,) = ec2.describe_network_acls(Filters=guarding)["NetworkAcls"]
    rule = {"NetworkAclId": acl["NetworkAclId"], "RuleNumber": 50, "Egress": False}
    ec2.create_network_acl_entry(**rule, Protocol="-1", RuleAction="deny", CidrBlock="192.0.2.0/29")
    yield
    ec2.delete_network_acl_entry(**rule)


@contextmanager
def entry_removed(environments: Environments) -> Iterator[None]:
    ec2 = environments.client("ec2")
    (clients,) = ec2.describe_managed_prefix_lists(Filters=named("clients"))["PrefixLists"]

    def modify(**changes: Any) -> None:
        (now,) = ec2.describe_managed_prefix_lists(Filters=named("clients"))["PrefixLists"]
        ec2.modify_managed_prefix_list(PrefixListId=clients["PrefixListId"], CurrentVersion=now["Version"], **changes)

    modify(RemoveEntries=[{"Cidr": "203.0.113.0/27"}])
    yield
    modify(AddEntries=[{"Cidr": "203.0.113.0/27", "Description": "203.0.113.0/27"}])


def named(label: str) -> list[dict[str, Any]]:
    """Return the filter for what the program calls `label`."""
    return [{"Name": "tag:Name", "Values": [f"{STACK}-{label}"]}]


SEEDED: dict[Callable[[Environments], Any], dict[str, str]] = {
    record_elsewhere: {
        "name": "its record is an alias of other.elb.eu-west-2.amazonaws.com",
        "who may connect": "can't reach it: its name leads to no load balancer of this environment",
        "answers": "(eu-west-2a)",
    },
    second_listener: {"port": "listens on TCP 443, TCP 80", "rules": "only-443"},
    listener_on_another_port: {
        "port": "listens on TCP 8443",
        "rules": "only-443",
        "who may connect": "Sample Dispensing 203.0.113.0/27 can't reach it: stopped by the way on to the instances",
    },
    no_default_route: {
        "who may connect": "Trial Systems 198.51.100.64/28; Sample Dispensing 203.0.113.0/27 can't reach it: "
        "stopped by the route to the internet gateway (every zone)"
    },
    revoked_rule: {
        "who may connect": "Sample Dispensing 203.0.113.0/27 can't reach it: "
        "stopped by the load balancer's security groups and prefix list (every zone)",
        "firewall rules": "int-load-balancer: tcp 443 from clients is missing",
    },
    denied_by_an_acl: {
        # The network's own ACL guards the instances' subnets, too.
        "who may connect": "Example Prescribing 192.0.2.0/29 can't reach it: "
        "stopped by the network ACL and the way on to the instances (every zone)"
    },
    entry_removed: {
        "who may connect": "Sample Dispensing 203.0.113.0/27 can't reach it: "
        "stopped by the load balancer's security groups and prefix list (every zone)"
    },
    swapped_address: {"virtual IPs": "eu-west-2a is published as "},
    zone_without_a_target: {"targets": "eu-west-2a has none"},
    wrong_image: {"release": f"run eps-dos-api-{EARLIER}"},
    changed_maximum: {"capacity": "the group has 3 to 60"},
    dataset_writable: {"dataset rights": "allows s3:PutObject to arn:aws:iam::111122223333:root, which isn't decided"},
    dataset_writable_by_instances: {"instances' rights": "a statement allows s3:PutObject"},
    public_bucket: {"dataset": "public access isn't blocked", "rules": "private-buckets"},
    extra_rule: {"firewall rules": "int-service: tcp 22 from 10.0.0.0/8 is not decided", "rules": "only-443"},
}


@pytest.mark.parametrize("fault", SEEDED, ids=lambda one: one.__name__)
def test_what_somebody_changed_is_named(environments: Environments, fault: Callable[[Environments], Any]) -> None:
    with fault(environments):
        code, failed = verified(environments)
    assert code == 1
    assert failed.keys() == SEEDED[fault].keys()
    for check, words in SEEDED[fault].items():
        assert words in failed[check], failed


def drift_and_review(environments: Environments) -> tuple[Any, Any]:
    """Return what `verify --drift` and `review` say: addresses are published here, and not deployed as such."""
    drift = json.loads(environments.eps_dos("verify", STACK, "--drift", "--json", check=False).stdout)
    reviewed = json.loads(environments.eps_dos("review", STACK, "--format", "json", check=False).stdout)["stacks"][0]
    assert reviewed["errors"] == []
    return drift, (reviewed["verdict"], reviewed["dangers"], reviewed["drift"])


def test_a_profile_from_before_an_edit_of_the_stack_file_is_nobody_s(
    environments: Environments, tmp_path: Path
) -> None:
    before = drift_and_review(environments)
    state = json.loads(json.dumps(environments.export(STACK)))
    for one in state["deployment"]["resources"]:
        if one["type"] in {AWS_PROVIDER, OWN_PROVIDER}:
            for part in ("inputs", "outputs"):
                one[part]["profile"] = "former"
    (tmp_path / "state.json").write_text(json.dumps(state))
    environments.pulumi("stack", "import", "--stack", STACK, "--file", str(tmp_path / "state.json"))

    assert drift_and_review(environments) == before
    # Whoever takes the state's providers gets nowhere, each of the two.
    plain = environments.pulumi("refresh", "--stack", STACK, "--yes", "--skip-preview", check=False)
    assert plain.returncode != 0
    assert "former" in plain.stdout + plain.stderr


def test_all_is_well_once_it_is_undone(environments: Environments) -> None:
    assert verified(environments) == (0, {})
