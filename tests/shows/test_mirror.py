"""What somebody could change by hand in Live or in NFT: `mirror` names it, and nothing else, until it is undone.

What is seen of each change is all that is seen, so that the one before it is undone for certain; the last test sees
that all is well again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any

import pytest

from infra.graph import ABSENT, Graph, compare
from tests.infra.stackfiles import CHECKOUT
from tests.shows.environments import Environments

pytestmark = [pytest.mark.engine, pytest.mark.scenario]

LIVE, NFT = "live", "nft"
LEVELS = ["declared", "state", "actual"]


def drift(environments: Environments) -> tuple[int, set[tuple[str, str]]]:
    """Return the exit code at the actual level, and (kind of resource, property) of all that may not differ."""
    done = environments.eps_dos("mirror", NFT, "--level", "actual", "--json", check=False)
    (level,) = json.loads(done.stdout)
    return done.returncode, {
        (one["what"].split("::")[0].rsplit(":", 1)[-1], one["property"])
        for one in level["differences"]
        if one["verdict"] == "DRIFT"
    }


def test_the_readme_shows_of_live_and_nft_what_they_are(environments: Environments) -> None:
    """As `make up` prints it; addresses and names that AWS makes up are others each time."""
    _, block = (CHECKOUT / "README.md").read_text(encoding="utf-8").split("$ make up\n")
    of_live, of_nft = block.split("```")[0].split("\n\n")
    for stack, written in ((LIVE, of_live), (NFT, of_nft)):
        shown = dict(re.findall(r"^✓  (.+?)  +(.+)$", written, re.MULTILINE))
        (report,) = json.loads(environments.eps_dos("verify", stack, "--json").stdout)
        promised = {check["name"]: check["value"] for check in report["checks"] if check["name"] in shown}
        assert len(promised) == 8
        address = re.compile(r"\b203\.0\.113\.\d+ ")
        assert {name: address.sub("", value) for name, value in promised.items()} == {
            name: address.sub("", value) for name, value in shown.items()
        }


def test_as_brought_up_nft_is_live_at_every_level(environments: Environments) -> None:
    told = json.loads(environments.eps_dos("mirror", NFT, "--json").stdout)
    assert [(one["level"], one["checked"], one["drift"]) for one in told] == [(level, True, 0) for level in LEVELS]
    assert all(one["resources"] > 70 for one in told)


@contextmanager
def other_health_check_interval(environments: Environments) -> Iterator[None]:
    elbv2, targets = environments.client("elbv2"), environments.group(NFT)["TargetGroupARNs"][0]
    elbv2.modify_target_group(TargetGroupArn=targets, HealthCheckIntervalSeconds=30)
    yield
    elbv2.modify_target_group(TargetGroupArn=targets, HealthCheckIntervalSeconds=10)


@contextmanager
def way_in_by_port_22(environments: Environments) -> Iterator[None]:
    ec2, (group,) = environments.client("ec2"), environments.balancer(NFT)["SecurityGroups"]
    ranges = [{"CidrIp": "0.0.0.0/0"}]
    rule = [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": ranges}]
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=rule)
    yield
    ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=rule)


@contextmanager
def other_instance_type_in_live(environments: Environments) -> Iterator[None]:
    ec2, group = environments.client("ec2"), environments.group(LIVE)
    template, version = (group["LaunchTemplate"][key] for key in ("LaunchTemplateId", "Version"))
    made = ec2.create_launch_template_version(
        LaunchTemplateId=template, SourceVersion=version, LaunchTemplateData={"InstanceType": "c7g.xlarge"}
    )["LaunchTemplateVersion"]["VersionNumber"]

    def use(number: str) -> None:
        environments.client("autoscaling").update_auto_scaling_group(
            AutoScalingGroupName=group["AutoScalingGroupName"],
            LaunchTemplate={"LaunchTemplateId": template, "Version": number},
        )

    use(str(made))
    yield
    use(version)
    ec2.delete_launch_template_versions(LaunchTemplateId=template, Versions=[str(made)])


@contextmanager
def no_scaling_policy(environments: Environments) -> Iterator[None]:
    autoscaling, group = environments.client("autoscaling"), environments.group(NFT)["AutoScalingGroupName"]
    (policy,) = autoscaling.describe_policies(AutoScalingGroupName=group)["ScalingPolicies"]
    autoscaling.delete_policy(AutoScalingGroupName=group, PolicyName=policy["PolicyName"])
    yield
    given = ("PolicyName", "PolicyType", "TargetTrackingConfiguration", "Enabled")
    autoscaling.put_scaling_policy(AutoScalingGroupName=group, **{key: policy[key] for key in given})


@contextmanager
def role_that_may_write_lives_dataset(environments: Environments) -> Iterator[None]:
    iam, role, bucket = (
        environments.client("iam"),
        "eps-dos-api-nft-service",
        environments.outputs(LIVE)["dataset"]["bucket"],
    )
    statement = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_role_policy(RoleName=role, PolicyName="by-hand", PolicyDocument=document)
    yield
    iam.delete_role_policy(RoleName=role, PolicyName="by-hand")


@contextmanager
def role_that_is_not_kept_from_writing(environments: Environments) -> Iterator[None]:
    iam, role = environments.client("iam"), "eps-dos-api-nft-service"
    (name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]

    def put(statements: list[dict[str, Any]]) -> None:
        changed = json.dumps({**document, "Statement": statements})
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=changed)

    put([one for one in document["Statement"] if one["Effect"] != "Deny"])
    yield
    put(document["Statement"])


@contextmanager
def higher_maximum_in_live(environments: Environments) -> Iterator[None]:
    autoscaling, group = environments.client("autoscaling"), environments.group(LIVE)
    name, maximum = group["AutoScalingGroupName"], group["MaxSize"]
    autoscaling.update_auto_scaling_group(AutoScalingGroupName=name, MaxSize=maximum + 1)
    yield
    autoscaling.update_auto_scaling_group(AutoScalingGroupName=name, MaxSize=maximum)


@contextmanager
def zones_apart(environments: Environments) -> Iterator[None]:
    elbv2, arn = environments.client("elbv2"), environments.balancer(NFT)["LoadBalancerArn"]

    def put(value: str) -> None:
        attribute = {"Key": "load_balancing.cross_zone.enabled", "Value": value}
        elbv2.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=[attribute])

    put("false")
    yield
    put("true")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (other_health_check_interval, {("TargetGroup", "healthCheck.interval")}),
        (way_in_by_port_22, {("SecurityGroup", "ingress[]")}),
        (
            other_instance_type_in_live,
            {
                ("LaunchTemplate", "instanceType"),
                ("LaunchTemplate", "version"),
                ("LaunchTemplate", "versions[]"),
                ("Rollout", "launchTemplateVersion"),
            },
        ),
        (no_scaling_policy, {("Policy", "")}),
        (role_that_may_write_lives_dataset, {("Role", "inlinePolicies.by-hand")}),
        (role_that_is_not_kept_from_writing, {("RolePolicy", "policy.Statement.NeverWriteDataset")}),
        (higher_maximum_in_live, {("Group", "maxSize")}),
        (zones_apart, {("LoadBalancer", "enableCrossZoneLoadBalancing")}),
    ],
)
def test_what_was_changed_by_hand_is_named_and_nothing_else(
    environments: Environments,
    change: Callable[[Environments], AbstractContextManager[None]],
    expected: set[tuple[str, str]],
) -> None:
    with change(environments):
        found = drift(environments)
    # Undone by now, so that what isn't as expected here is nothing that the next finds.
    assert found == (1, expected)


def test_once_undone_nft_is_live_again(environments: Environments) -> None:
    assert drift(environments) == (0, set())


def test_an_instance_type_of_its_own_is_refused_with_key_file_and_fix(environments: Environments) -> None:
    file = environments.checkout / "Pulumi.nft.yaml"
    file.write_text(f"{file.read_text().rstrip()}\n  eps-dos-api:instanceType: c7g.xlarge\n")
    refused = environments.pulumi("preview", "--stack", NFT, check=False)
    environments.undo_edits()
    assert refused.returncode != 0
    said = refused.stdout + refused.stderr
    # The engine tells it as it happens, and once more at the end.
    (problem,) = set(re.findall(r"Pulumi\.nft\.yaml: .*", said))
    assert problem.startswith("Pulumi.nft.yaml: eps-dos-api:instanceType is c7g.xlarge")
    assert "fix: pulumi config rm eps-dos-api:instanceType --stack nft" in said
    assert "Traceback" not in said


def test_a_supplier_that_is_not_assured_leaves_lives_prefix_list_and_nothing_else_changes(
    environments: Environments,
) -> None:
    suppliers = environments.checkout / "suppliers.yaml"
    text = suppliers.read_text()
    name = "Example Prescribing"
    start = text.index(f"name: {name}")
    suppliers.write_text(text[:start] + text[start:].replace("assured: true", "assured: false", 1))
    previewed = environments.pulumi("preview", "--stack", LIVE, "--json", "--show-sames")
    environments.undo_edits()
    state = Graph.from_export(environments.export(LIVE))
    planned = Graph.from_preview(json.loads(previewed.stdout))
    # A preview has no outputs, by which names and ids are told: those of what is there are the state's.
    planned = Graph.of(LIVE, (replace(one, outputs=state.resources[one.urn].outputs) for one in planned))
    # Nor has it the providers that the engine makes by itself.
    found = [one for one in compare(state, planned) if not one.type.startswith("pulumi:providers:")]
    assert {(one.type, one.path, one.right is ABSENT) for one in found} == {
        ("aws:ec2/managedPrefixList:ManagedPrefixList", "entries[]", True)
    }
    left = [one.left for one in found]
    assert sorted(one["cidr"] for one in left if isinstance(one, dict)) == ["192.0.2.0/28", "198.51.100.16/28"]
