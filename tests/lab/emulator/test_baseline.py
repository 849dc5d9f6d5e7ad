"""The account has what the program expects to find, and making it again changes nothing."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from lab.emulator.baseline import create_baseline
from tests.lab.emulator.conftest import RunningEmulator

RELEASES = [("1.4.0", "eps-dos-api-1.4.0"), ("1.5.0", "eps-dos-api-1.5.0")]


def test_there_is_a_zone_an_image_per_release_and_a_role(emulator: RunningEmulator) -> None:
    made = create_baseline(emulator.endpoint, RELEASES)
    images = emulator.client("ec2").describe_images(Owners=["self"])["Images"]
    assert {image["Name"]: image["ImageId"] for image in images} == made.image_ids
    assert {(image["Architecture"], image["OwnerId"], image["State"]) for image in images} == {
        ("arm64", "123456789012", "available")
    }
    assert {image["RootDeviceName"] for image in images} == {"/dev/xvda"}
    assert {image["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"] for image in images} == {8}
    assert sorted(tag["Value"] for image in images for tag in image["Tags"]) == ["1.4.0", "1.5.0"]
    zones = emulator.client("route53").list_hosted_zones()["HostedZones"]
    assert [(zone["Id"], zone["Name"]) for zone in zones] == [(made.hosted_zone_id, "eps.digital.nhs.uk.")]
    role = emulator.client("iam").get_role(RoleName="eps-dos-api-operators")["Role"]
    assert role["Arn"] == made.operators_role_arn


def test_policies_are_there_and_follow_what_they_are_to_be(emulator: RunningEmulator) -> None:
    iam, arn = emulator.client("iam"), "arn:aws:iam::123456789012:policy/limit"
    for effect, version in (("Allow", "v1"), ("Allow", "v1"), ("Deny", "v2")):
        statement = {"Effect": effect, "Action": "s3:*", "Resource": "*"}
        document = {"Version": "2012-10-17", "Statement": [statement]}
        create_baseline(emulator.endpoint, RELEASES[:1], policies={"limit": json.dumps(document)})
        assert iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"] == version
        assert iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"] == document


def test_making_it_again_changes_nothing_and_adds_what_is_new(emulator: RunningEmulator) -> None:
    first = create_baseline(emulator.endpoint, RELEASES[:1])
    second = create_baseline(emulator.endpoint, RELEASES)
    assert second.image_ids.items() > first.image_ids.items()
    assert (second.hosted_zone_id, second.operators_role_arn) == (first.hosted_zone_id, first.operators_role_arn)
    assert len(emulator.client("ec2").describe_images(Owners=["self"])["Images"]) == 2


def test_an_image_is_found_by_owner_name_and_architecture(emulator: RunningEmulator) -> None:
    made = create_baseline(emulator.endpoint, RELEASES, architecture="x86_64")
    filters = [
        {"Name": "name", "Values": ["eps-dos-api-1.5.*"]},
        {"Name": "architecture", "Values": ["x86_64"]},
        {"Name": "root-device-type", "Values": ["ebs"]},
        {"Name": "virtualization-type", "Values": ["hvm"]},
    ]
    found = emulator.client("ec2").describe_images(Owners=["self"], Filters=filters)["Images"]
    assert [image["ImageId"] for image in found] == [made.image_ids["eps-dos-api-1.5.0"]]


def test_a_name_serves_one_image(emulator: RunningEmulator) -> None:
    ec2 = emulator.client("ec2")
    ec2.register_image(Name="service", RootDeviceName="/dev/xvda")
    with pytest.raises(ClientError, match=r"\(InvalidAMIName.Duplicate\).*AMI name service is already in use"):
        ec2.register_image(Name="service", RootDeviceName="/dev/xvda")


def test_no_images_are_there_but_ones_own(emulator: RunningEmulator) -> None:
    assert emulator.client("ec2").describe_images()["Images"] == []


def test_only_the_lab_gets_a_baseline() -> None:
    with pytest.raises(ValueError, match="on a loopback address"):
        create_baseline("https://ec2.eu-west-2.amazonaws.com", RELEASES)
