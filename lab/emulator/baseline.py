"""What an AWS account has before the program's first `up`: hosted zone, an image per release, operators, policies.

Made through the API, as a team would make them, and safe to repeat. Left out: what AWS makes of itself (the default
VPC, which the emulator has as well) and what the first deployment asks for in other ways (certificates, state).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

import boto3

from lab.loopback import is_loopback

Architecture = Literal["x86_64", "arm64"]

REGION = "eu-west-2"
ACCOUNT = "123456789012"
ROOT_VOLUME_GIB = 8
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
        ],
    }
)


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """What there is now."""

    hosted_zone_id: str
    image_ids: dict[str, str]  # by the image's name
    operators_role_arn: str


def create_baseline(
    endpoint: str,
    releases: Sequence[tuple[str, str]],
    zone: str = "eps.digital.nhs.uk",
    operators_role: str = "eps-dos-api-operators",
    architecture: Architecture = "arm64",
    policies: Mapping[str, str] | None = None,
) -> Baseline:
    """Make what is missing in the emulator at `endpoint`, and return what there is.

    `releases` are pairs of version and image name, `policies` documents of managed policies by name.

    Raises ValueError if `endpoint` isn't on loopback: nothing of this is for a real account.
    """
    if not is_loopback(urlsplit(endpoint).hostname or ""):
        raise ValueError(f"endpoint is {endpoint}; allowed: the lab's emulator, on a loopback address")
    session = boto3.Session(
        region_name=REGION,
        aws_access_key_id="baseline",
        aws_secret_access_key="test",  # noqa: S106  # the emulator checks none
    )
    for name, document in (policies or {}).items():
        _policy(session, endpoint, name, document)
    return Baseline(
        hosted_zone_id=_hosted_zone(session, endpoint, zone),
        image_ids=_images(session, endpoint, releases, architecture),
        operators_role_arn=_role(session, endpoint, operators_role),
    )


def _hosted_zone(session: boto3.Session, endpoint: str, zone: str) -> str:
    route53 = session.client("route53", endpoint_url=endpoint)
    listed = route53.list_hosted_zones_by_name(DNSName=zone)["HostedZones"]
    found = [one["Id"] for one in listed if one["Name"] == f"{zone}."]
    if found:
        return found[0]
    created = route53.create_hosted_zone(Name=zone, CallerReference=f"lab-{zone}")
    return created["HostedZone"]["Id"]


def _images(
    session: boto3.Session, endpoint: str, releases: Sequence[tuple[str, str]], architecture: Architecture
) -> dict[str, str]:
    ec2 = session.client("ec2", endpoint_url=endpoint)
    images = {
        image["Name"]: image["ImageId"]
        for image in ec2.describe_images(Owners=["self"], IncludeDisabled=True)["Images"]
    }
    for version, name in releases:
        if name in images:
            continue
        images[name] = ec2.register_image(
            Name=name,
            Description=f"EPS Directory of Services API {version}, for the lab",
            Architecture=architecture,
            VirtualizationType="hvm",
            EnaSupport=True,
            RootDeviceName="/dev/xvda",
            BlockDeviceMappings=[
                {
                    "DeviceName": "/dev/xvda",
                    "Ebs": {"VolumeSize": ROOT_VOLUME_GIB, "VolumeType": "gp3", "DeleteOnTermination": True},
                }
            ],
            TagSpecifications=[{"ResourceType": "image", "Tags": [{"Key": "Release", "Value": version}]}],
        )["ImageId"]
    return {name: images[name] for _, name in releases}


def _policy(session: boto3.Session, endpoint: str, name: str, document: str) -> None:
    iam = session.client("iam", endpoint_url=endpoint)
    arn = f"arn:aws:iam::{ACCOUNT}:policy/{name}"
    try:
        current = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    except iam.exceptions.NoSuchEntityException:
        iam.create_policy(PolicyName=name, PolicyDocument=document)
        return
    if iam.get_policy_version(PolicyArn=arn, VersionId=current)["PolicyVersion"]["Document"] != json.loads(document):
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=document, SetAsDefault=True)


def _role(session: boto3.Session, endpoint: str, name: str) -> str:
    iam = session.client("iam", endpoint_url=endpoint)
    try:
        return iam.get_role(RoleName=name)["Role"]["Arn"]
    except iam.exceptions.NoSuchEntityException:
        created = iam.create_role(
            RoleName=name, AssumeRolePolicyDocument=TRUST, Description="Configures test data, in the lab"
        )
        return created["Role"]["Arn"]
