"""Launch templates: their own tags, and those of what they launch."""

from __future__ import annotations

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
