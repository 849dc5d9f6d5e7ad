"""What an AWS account still lacks before an environment's first `up`, one check per question, each with its remedy.

It asks and changes nothing. Entered by ephemeral. Left out: what comes after the first `up` (`verify`), raising quotas.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from ipaddress import IPv4Network
from typing import Any, Literal

from botocore.exceptions import BotoCoreError, ClientError

from infra import access, types
from infra.environment import Environment
from infra.graph import Graph
from infra.images import unlaunchable
from infra.naming import LIVE
from infra.releases import FILE as RELEASES
from ops.aws.clients import Aws, listed
from ops.aws.images import read_images
from ops.aws.network import ranges_of
from ops.aws.ownership import is_of, tags_of
from ops.aws.quotas import ADDRESSES, CPUS, NETWORKS, QUOTAS, RULES, allowed
from ops.output.report import Check
from ops.preflight.made import deploying, reverting


def ok(name: str, evidence: str, value: str = "") -> Check:
    """Return a check that holds."""
    return Check(name=name, verdict="ok", evidence=evidence, value=value)


def lacking(name: str, evidence: str, remedy: str, value: str = "") -> Check:
    """Return a check that doesn't, with the command that mends it."""
    return Check(name=name, verdict="failed", evidence=f"{evidence}; fix: {remedy}", value=value)


def check_identity(aws: Aws, environment: Environment) -> Check:
    """Somebody is asking whom AWS knows, in an account that this stack may be deployed to."""
    name = "identity"
    try:
        caller = aws.sts.get_caller_identity()
    except (BotoCoreError, ClientError) as error:
        return lacking(name, f"AWS doesn't know who is asking: {error}", "aws configure sso, then aws sso login")
    allowed, account = environment.aws.allowed_account_ids, caller["Account"]
    if allowed and account not in allowed:
        return lacking(
            name,
            f"{caller['Arn']} is in account {account}; allowed: {', '.join(allowed)}",
            "log in to that account: aws sso login --profile PROFILE, and export AWS_PROFILE=PROFILE",
        )
    unheld = "" if allowed else "; the stack names no allowed accounts"
    return ok(name, f"{caller['Arn']}{unheld}")


def check_allowed_accounts(environment: Environment, account_id: str, *, in_lab: bool) -> Check | None:
    """Live says which account it is for; without that a mistaken profile could make a second Live."""
    if environment.name != LIVE or in_lab:
        return None
    name = "allowed accounts"
    if environment.aws.allowed_account_ids:
        return ok(name, ", ".join(environment.aws.allowed_account_ids))
    command = f"pulumi config set --path 'aws:allowedAccountIds[0]' {account_id} --type string --stack {LIVE}"
    return lacking(name, "Live names none, and outside the lab it must", command)


def check_boundary(aws: Aws, environment: Environment, account_id: str, partition: str) -> Check:
    """The permissions boundary is there, is what the program would have, and lets the instances at what is theirs.

    The organisation's own is its own matter, but for being there.
    """
    name, stack = "permissions boundary", environment.name
    own = environment.permissions_boundary_arn
    arn = own or access.boundary_arn(environment, account_id, partition)
    try:
        version = aws.iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    except aws.iam.exceptions.NoSuchEntityException:
        remedy = "ask the organisation for it" if own else deploying(aws.region)
        return lacking(name, f"there is no policy {arn}", remedy)
    if own:
        return ok(name, f"{arn}, the organisation's own")
    there = aws.iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    if there != access.boundary(stack, environment.dataset.bucket, partition):
        return lacking(name, f"{arn} ({version}) is not what the program needs at most", reverting(aws.region))
    secret, readable = environment.service.certificate_secret_arn, access.bounded_secrets(stack)
    if secret is not None and not fnmatchcase(secret.rpartition(":secret:")[2], readable):
        return lacking(
            name,
            f"roles under it can't get to {secret}; allowed: {readable}",
            "give it such a name, or have a boundary of your own: "
            f"pulumi config set eps-dos-api:permissionsBoundary ARN --stack {stack}",
        )
    return ok(name, f"{arn} ({version})")


def check_zone(aws: Aws, environment: Environment, resolve: Callable[[str], Sequence[str]] | None) -> tuple[Check, ...]:
    """The hosted zone is there, once, and the world's name servers lead to it; None: nobody asks the world."""
    zone = environment.dns.hosted_zone.lower()
    zones = [
        listed
        for listed in aws.route53.list_hosted_zones_by_name(DNSName=zone)["HostedZones"]
        if listed["Name"].rstrip(".") == zone and not listed.get("Config", {}).get("PrivateZone", False)
    ]
    if not zones:
        command = f'aws route53 create-hosted-zone --name {zone} --caller-reference "$(date +%s)"'
        return (lacking("hosted zone", f"the account has no public zone {zone}", command),)
    if len(zones) > 1:
        ids = ", ".join(listed["Id"] for listed in zones)
        remedy = "delete those that the parent zone doesn't delegate to: aws route53 delete-hosted-zone --id ID"
        return (lacking("hosted zone", f"there are {len(zones)} public zones {zone}: {ids}", remedy),)
    servers = sorted(aws.route53.get_hosted_zone(Id=zones[0]["Id"])["DelegationSet"]["NameServers"])
    there = ok("hosted zone", f"{zone} is {zones[0]['Id'].split('/')[-1]}")
    if resolve is None:
        evidence = "the lab's zones are not in the world's DNS"
        return there, Check(name="delegation", verdict="not checked", evidence=evidence)
    return there, _delegation(zone, servers, resolve)


def _delegation(zone: str, servers: Sequence[str], resolve: Callable[[str], Sequence[str]]) -> Check:
    remedy = f"have the parent zone's owner add NS records of {zone}: {', '.join(servers)}"
    try:
        delegated = sorted(server.rstrip(".").lower() for server in resolve(zone))
    except OSError as error:
        evidence = f"name servers can't be asked: {error}; {remedy}"
        return Check(name="delegation", verdict="not checked", evidence=evidence)
    if delegated != sorted(server.rstrip(".").lower() for server in servers):
        there = ", ".join(delegated) or "nobody"
        return lacking("delegation", f"the name servers of {zone} are {there}, not the zone's own", remedy)
    return ok("delegation", f"{', '.join(delegated)}")


def check_image(aws: Aws, environment: Environment) -> Check:
    """The release's image is there, can be started, and fits the instance type."""
    service = environment.service
    by: Literal["name", "image-id"] = "image-id" if service.image_id else "name"
    wanted = service.image_id or service.image_name
    images = read_images(aws, by, [wanted], service.image_owner)
    if wrong := unlaunchable(wanted, service.image_owner, images):
        return lacking(
            "image",
            wrong,
            f"build release {service.release} as an image of a new name in {environment.aws.region}, and name it in "
            f"{RELEASES}; or share it: aws ec2 modify-image-attribute --launch-permission; or, if it is disabled: "
            "aws ec2 enable-image",
        )
    (image,) = images
    supported = _instance_type(aws, environment).get("ProcessorInfo", {}).get("SupportedArchitectures", [])
    if supported and image.architecture not in supported:
        return lacking(
            "image",
            f"{wanted} is for {image.architecture}; {service.instance_type} runs {', '.join(supported)}",
            f"build it for {supported[0]}, or: pulumi config set eps-dos-api:instanceType TYPE "
            f"--stack {environment.mirrors or environment.name}",
        )
    return ok("image", f"{wanted} is {image.id} ({image.architecture})")


def check_instance_type(aws: Aws, environment: Environment) -> Check:
    """Every zone offers the instance type: AWS refuses the group otherwise, and offers differ from zone to zone."""
    name, wanted, zones = "instance type", environment.service.instance_type, sorted(environment.network.zones)
    offers = listed(
        aws.ec2,
        "describe_instance_type_offerings",
        "InstanceTypeOfferings[].Location",
        LocationType="availability-zone",
        Filters=[{"Name": "instance-type", "Values": [wanted]}],
    )
    offering = sorted(offers)
    if lacks := [zone for zone in zones if zone not in offering]:
        owner = environment.mirrors or environment.name
        return lacking(
            name,
            f"{wanted} is not offered in {', '.join(lacks)}, only in {', '.join(offering) or 'no zone of the region'}",
            f"another type, or other zones: pulumi config set eps-dos-api:instanceType TYPE --stack {owner}",
        )
    return ok(name, f"{wanted} is offered in {', '.join(zones)}")


def check_certificate(aws: Aws, environment: Environment) -> Check:
    """The secret with the certificate is there; what is in it isn't read."""
    arn = environment.service.certificate_secret_arn
    region = environment.aws.region
    if arn is None:
        return lacking(
            "certificate",
            "no secret is named; instances have no certificate to show",
            # By its name, Pulumi takes the setting for a secret, and asks which it is (tried).
            f"pulumi config set --plaintext eps-dos-api:certificateSecretArn --stack {environment.name} "
            f'"$(aws secretsmanager create-secret --name eps-dos-api/{environment.name}/certificate '
            f'--secret-string file://certificate.json --query ARN --output text --region {region})"',
        )
    try:
        described = aws.secretsmanager.describe_secret(SecretId=arn)
    except ClientError as error:
        if error.response["Error"]["Code"] not in {"ResourceNotFoundException", "AccessDeniedException"}:
            raise
        command = f"aws secretsmanager describe-secret --secret-id {arn} --region {region}"
        return lacking("certificate", f"{arn}: {error.response['Error']['Message']}", command)
    if described.get("DeletedDate"):
        command = f"aws secretsmanager restore-secret --secret-id {arn} --region {region}"
        return lacking("certificate", f"{arn} is about to be deleted", command)
    # Left out of the answer where it is AWS's own, aws/secretsmanager (Secrets Manager API, DescribeSecret).
    if key := described.get("KmsKeyId"):
        return lacking(
            "certificate",
            f"{described['Name']} is encrypted with {key}, and instances have no kms:Decrypt: they could not read it",
            f"encrypt it with AWS's own key: aws secretsmanager update-secret --secret-id {arn} "
            f"--kms-key-id alias/aws/secretsmanager --region {region}",
        )
    return ok("certificate", f"{described['Name']}, last changed {described.get('LastChangedDate', 'never')}")


def needs(environment: Environment, planned: Graph, vcpus_each: int) -> dict[str, int]:
    """Return what the environment takes of each quota when it is as large as it may become."""
    own_lists = {clients.outputs.get("id") for clients in planned.of_type(types.PREFIX_LIST)}
    by_group: Counter[tuple[object, str]] = Counter()
    for rule in (*planned.of_type(types.INGRESS), *planned.of_type(types.EGRESS)):
        # A reference to a prefix list counts as the list's maximum (Amazon VPC guide, prefix lists and quotas). AWS's
        # own list of S3 counts as its weight, which is 1 rule.
        own = rule.inputs.get("prefixListId") in own_lists
        by_group[rule.inputs.get("securityGroupId"), rule.type] += environment.clients.max_entries if own else 1
    # A rollout starts instances beside the old ones.
    largest = math.ceil(environment.service.capacity.maximum * environment.rollout.maximum_healthy_percent / 100)
    return {
        ADDRESSES: len(planned.of_type(types.EIP)),
        NETWORKS: len(planned.of_type(types.VPC)),
        RULES: max(by_group.values(), default=0),
        CPUS: largest * vcpus_each,
    }


def check_quotas(aws: Aws, environment: Environment, planned: Graph) -> Iterable[Check]:
    """What the account may have suffices for what it has and what the environment takes beside it."""
    vcpus_each = _instance_type(aws, environment).get("VCpuInfo", {}).get("DefaultVCpus", 1)
    wanted = needs(environment, planned, vcpus_each)
    used = _used(aws, environment)
    for what, amount in wanted.items():
        quota = QUOTAS[what]
        may = allowed(aws, quota)
        name = f"quota: {what}"
        evidence = f"{amount} needed, {used[what]} used by others, {may:g} allowed"
        if amount + used[what] > may:
            command = (
                f"aws service-quotas request-service-quota-increase --service-code {quota.service} "
                f"--quota-code {quota.code} --desired-value {amount + used[what]} --region {environment.aws.region}"
            )
            yield lacking(name, evidence, command)
        else:
            yield ok(name, evidence)


def _used(aws: Aws, environment: Environment) -> dict[str, int]:
    """Return what others than `environment` have of each quota; of instances, all that run are of the standard kind."""
    running = [{"Name": "instance-state-name", "Values": ["pending", "running"]}]
    instances = listed(aws.ec2, "describe_instances", "Reservations[].Instances[]", Filters=running)
    cpus = [instance.get("CpuOptions", {}) for instance in _of_others(instances, environment)]
    return {
        ADDRESSES: len(_of_others(aws.ec2.describe_addresses()["Addresses"], environment)),
        NETWORKS: len(_of_others(listed(aws.ec2, "describe_vpcs", "Vpcs[]"), environment)),
        RULES: 0,
        CPUS: sum(cpu.get("CoreCount", 1) * cpu.get("ThreadsPerCore", 1) for cpu in cpus),
    }


def _instance_type(aws: Aws, environment: Environment) -> Mapping[str, Any]:
    described: Any = aws.ec2.describe_instance_types
    return next(iter(described(InstanceTypes=[environment.service.instance_type])["InstanceTypes"]), {})


def check_ranges(aws: Aws, environment: Environment) -> Check:
    """No network of the account overlaps the environment's: two that do could never be joined."""
    own = IPv4Network(environment.network.cidr)
    others = _of_others(listed(aws.ec2, "describe_vpcs", "Vpcs[]"), environment)
    overlapping = [
        f"{vpc['VpcId']} has {cidr}" for vpc in others for cidr in ranges_of(vpc) if IPv4Network(cidr).overlaps(own)
    ]
    if overlapping:
        command = f"pulumi config set eps-dos-api:cidr A.B.0.0/16 --stack {environment.name}"
        return lacking("range", f"{environment.network.cidr} overlaps: {', '.join(overlapping)}", command)
    return ok("range", f"{environment.network.cidr} overlaps none of {len(others)} other networks")


def _of_others(resources: Iterable[Mapping[str, Any]], environment: Environment) -> list[Mapping[str, Any]]:
    return [resource for resource in resources if not is_of(tags_of(resource.get("Tags")), environment.name)]
