"""Launch templates: their own tags, and those of what they launch."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError

from tests.lab.emulator.conftest import RunningEmulator


def test_the_templates_own_tags_are_not_what_it_launches_with(emulator: RunningEmulator) -> None:
    ec2 = emulator.client("ec2")
    launched = [{"ResourceType": "instance", "Tags": [{"Key": "Owner", "Value": "of the instance"}]}]
    own = [{"ResourceType": "launch-template", "Tags": [{"Key": "Owner", "Value": "of the template"}]}]
    made = ec2.create_launch_template(
        LaunchTemplateName="a", LaunchTemplateData={"TagSpecifications": launched}, TagSpecifications=own
    )["LaunchTemplate"]
    assert made["Tags"] == [{"Key": "Owner", "Value": "of the template"}]
    versions = ec2.describe_launch_template_versions(LaunchTemplateId=made["LaunchTemplateId"], Versions=["1"])
    assert versions["LaunchTemplateVersions"][0]["LaunchTemplateData"]["TagSpecifications"] == launched


def test_instances_can_be_started_from_a_later_version_with_user_data(emulator: RunningEmulator) -> None:
    ec2 = emulator.client("ec2")
    image = ec2.register_image(Name="b-image", Architecture="arm64", RootDeviceName="/dev/xvda")["ImageId"]
    first = {"ImageId": image, "InstanceType": "c7g.large", "UserData": "Zmlyc3Q="}
    made = ec2.create_launch_template(LaunchTemplateName="b", LaunchTemplateData=first)["LaunchTemplate"]
    template_id = made["LaunchTemplateId"]
    ec2.create_launch_template_version(
        LaunchTemplateId=template_id, LaunchTemplateData={**first, "UserData": "c2Vjb25k"}
    )
    versions = ec2.describe_launch_template_versions(LaunchTemplateId=template_id)["LaunchTemplateVersions"]
    assert {one["VersionNumber"]: one["LaunchTemplateData"]["UserData"] for one in versions} == {
        1: "Zmlyc3Q=",
        2: "c2Vjb25k",
    }
    zones = ["eu-west-2a"]
    template = {"LaunchTemplateId": template_id, "Version": "2"}
    emulator.client("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName="b", MinSize=1, MaxSize=1, AvailabilityZones=zones, LaunchTemplate=template
    )
    (group,) = emulator.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=["b"])[
        "AutoScalingGroups"
    ]
    assert [one["LaunchTemplate"]["Version"] for one in group["Instances"]] == ["2"]


def test_tags_that_change_later_show(emulator: RunningEmulator) -> None:
    ec2 = emulator.client("ec2")
    made = ec2.create_launch_template(LaunchTemplateName="a", LaunchTemplateData={"InstanceType": "t3.micro"})
    template_id = made["LaunchTemplate"]["LaunchTemplateId"]
    ec2.create_tags(Resources=[template_id], Tags=[{"Key": "Owner", "Value": "another"}])
    (found,) = ec2.describe_launch_templates(LaunchTemplateIds=[template_id])["LaunchTemplates"]
    assert found["Tags"] == [{"Key": "Owner", "Value": "another"}]


def test_a_version_has_what_its_source_has_but_for_what_it_is_given(emulator: RunningEmulator) -> None:
    ec2 = emulator.client("ec2")
    data = {"InstanceType": "c7g.large", "UserData": "Zmlyc3Q=", "Monitoring": {"Enabled": True}}
    template_id = ec2.create_launch_template(LaunchTemplateName="a", LaunchTemplateData=data)["LaunchTemplate"][
        "LaunchTemplateId"
    ]
    made = ec2.create_launch_template_version(
        LaunchTemplateId=template_id, SourceVersion="1", LaunchTemplateData={"InstanceType": "c7g.xlarge"}
    )["LaunchTemplateVersion"]
    assert made["LaunchTemplateData"] == {**data, "InstanceType": "c7g.xlarge"}


def test_a_version_can_be_deleted_and_its_number_never_comes_again(emulator: RunningEmulator) -> None:
    ec2 = emulator.client("ec2")
    made = ec2.create_launch_template(LaunchTemplateName="a", LaunchTemplateData={"InstanceType": "c7g.large"})
    template_id = made["LaunchTemplate"]["LaunchTemplateId"]

    def add() -> int:
        version = ec2.create_launch_template_version(
            LaunchTemplateId=template_id, LaunchTemplateData={"InstanceType": "c7g.xlarge"}
        )
        return int(version["LaunchTemplateVersion"]["VersionNumber"])

    assert add() == 2
    answer = ec2.delete_launch_template_versions(LaunchTemplateId=template_id, Versions=["1", "2", "7"])
    assert [one["VersionNumber"] for one in answer["SuccessfullyDeletedLaunchTemplateVersions"]] == [2]
    assert [one["VersionNumber"] for one in answer["UnsuccessfullyDeletedLaunchTemplateVersions"]] == [1, 7]
    (found,) = ec2.describe_launch_templates(LaunchTemplateIds=[template_id])["LaunchTemplates"]
    assert (found["DefaultVersionNumber"], found["LatestVersionNumber"]) == (1, 1)
    assert add() == 3


def test_an_unknown_id_is_not_taken_for_an_unknown_name(emulator: RunningEmulator) -> None:
    ec2 = emulator.client("ec2")
    made = ec2.create_launch_template(LaunchTemplateName="gone", LaunchTemplateData={"InstanceType": "t3.micro"})
    template_id = made["LaunchTemplate"]["LaunchTemplateId"]
    ec2.delete_launch_template(LaunchTemplateId=template_id)
    calls: list[Callable[[], object]] = [
        lambda: ec2.describe_launch_templates(LaunchTemplateIds=[template_id]),
        lambda: ec2.describe_launch_template_versions(LaunchTemplateId=template_id),
        lambda: ec2.delete_launch_template(LaunchTemplateId=template_id),
    ]
    for call in calls:
        with pytest.raises(ClientError, match=r"\(InvalidLaunchTemplateId.NotFound\)"):
            call()
    with pytest.raises(ClientError, match=r"\(InvalidLaunchTemplateName.NotFoundException\)"):
        ec2.delete_launch_template(LaunchTemplateName="gone")
