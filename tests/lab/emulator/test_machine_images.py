"""Images: each name once, and nothing launched from what is gone."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.lab.emulator.conftest import RunningEmulator
from tests.lab.emulator.network import make_image, make_network, run_instance
from tests.lab.emulator.service import Service


@pytest.fixture
def ec2(emulator: RunningEmulator) -> Any:
    return emulator.client("ec2")


def test_a_name_is_given_once_however_the_image_is_made_and_is_free_when_it_is_gone(ec2: Any) -> None:
    image = make_image(ec2, "service-1")
    instance = run_instance(ec2, image, make_network(ec2).subnet_ids[0])
    for again in (
        lambda: make_image(ec2, "service-1"),
        lambda: ec2.create_image(InstanceId=instance, Name="service-1"),
        lambda: ec2.copy_image(SourceImageId=image, SourceRegion="eu-west-2", Name="service-1"),
    ):
        with pytest.raises(ClientError, match=r"\(InvalidAMIName\.Duplicate\).*already in use by AMI " + image):
            again()
    with pytest.raises(ClientError, match=r"\(InvalidAMIName\.Malformed\)"):
        ec2.create_image(InstanceId=instance, Name="what?")
    ec2.deregister_image(ImageId=image)
    assert make_image(ec2, "service-1") != image


def test_nothing_is_launched_from_an_image_that_is_gone_or_disabled(ec2: Any) -> None:
    gone, disabled = make_image(ec2, "gone"), make_image(ec2, "disabled")
    subnet = make_network(ec2).subnet_ids[0]
    ec2.deregister_image(ImageId=gone)
    ec2.disable_image(ImageId=disabled)
    with pytest.raises(ClientError, match=r"\(InvalidAMIID\.NotFound\)"):
        run_instance(ec2, gone, subnet)
    with pytest.raises(ClientError, match=r"\(InvalidAMIID\.Unavailable\)"):
        run_instance(ec2, disabled, subnet)
    ec2.enable_image(ImageId=disabled)
    assert run_instance(ec2, disabled, subnet)


def test_a_disabled_image_is_described_to_whoever_asks_for_disabled_ones(ec2: Any) -> None:
    image = make_image(ec2)
    ec2.disable_image(ImageId=image)
    assert ec2.describe_images(Owners=["self"])["Images"] == []
    (described,) = ec2.describe_images(Owners=["self"], IncludeDisabled=True)["Images"]
    assert (described["ImageId"], described["State"]) == (image, "disabled")


def test_a_group_whose_image_is_gone_replaces_nobody_and_says_why(emulator: RunningEmulator) -> None:
    service = Service.made(emulator, size=3)
    service.settled()
    service.ec2.deregister_image(ImageId=service.image)
    lost, *kept = service.ids()
    service.ec2.terminate_instances(InstanceIds=[lost])
    service.settled()
    assert service.ids() == kept
    failed = [activity for activity in service.activities() if activity["StatusCode"] == "Failed"]
    assert [activity["StatusMessage"] for activity in failed] == [
        f"The image id '[{service.image}]' does not exist. Launching EC2 instance failed."
    ]


def test_a_group_is_not_made_from_an_image_that_is_gone(emulator: RunningEmulator) -> None:
    service = Service.made(emulator, size=1)
    service.ec2.deregister_image(ImageId=service.image)
    service.autoscaling.delete_auto_scaling_group(AutoScalingGroupName="service", ForceDelete=True)
    words = r"\(ValidationError\).*You must use a valid fully-formed launch template\. The image id .* does not exist"
    with pytest.raises(ClientError, match=words):
        service.create_group(1)
    assert service.autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"] == []


def test_a_refresh_to_an_image_that_is_gone_fails_and_back_to_one_that_is_gone_too(emulator: RunningEmulator) -> None:
    service = Service.made(emulator, size=2)
    service.settled()
    version, image = service.new_version("service-2")
    for gone in (image, service.image):
        service.ec2.deregister_image(ImageId=gone)
    before = service.ids()
    started = service.autoscaling.start_instance_refresh(
        AutoScalingGroupName="service",
        DesiredConfiguration={"LaunchTemplate": {"LaunchTemplateId": service.template_id, "Version": version}},
        Preferences={"AutoRollback": True, "MinHealthyPercentage": 50},
    )["InstanceRefreshId"]
    for _ in range(3):
        service.emulator.advance(700)
        service.group()
    (refresh,) = service.autoscaling.describe_instance_refreshes(AutoScalingGroupName="service")["InstanceRefreshes"]
    assert (refresh["InstanceRefreshId"], refresh["Status"]) == (started, "RollbackFailed")
    assert f"The image id '[{image}]' does not exist" in refresh["StatusReason"]
    assert f"The image id '[{service.image}]' does not exist" in refresh["StatusReason"]
    assert len(service.ids()) < len(before)
