"""A program that breaks each rule beside what keeps it: what the policy pack is held to.

A resource called `bad.RULE.WHAT` breaks that rule and no other; what isn't called so breaks none. It is no part of the
project: the test runs it as the program of a project of its own, in stacks called live, nft, dev and pr-7.
"""

import base64
import json

import pulumi
import pulumi_aws as aws

CONFIG = pulumi.Config()
STACK = pulumi.get_stack()
LIVES_CERTIFICATE = CONFIG.require("lives-certificate")
LIVES_DATASET = CONFIG.require("lives-dataset")
ADDRESSES: dict[str, str] = CONFIG.require_object("addresses")
"""Addresses that AWS has already, and so are known in a preview: allocation id -> address."""

EXPIRY = {"ExpiresAt": "2026-12-01T18:00:00Z"}
LASTING = {
    "CostCentre": "c", "DataClassification": "d", "Environment": STACK, "ManagedBy": "pulumi", "Owner": "o",
    "Project": "p", "Service": "s",
}  # fmt: skip
TAGS = {**LASTING, **EXPIRY}
BOUNDARY = "arn:aws:iam::123456789012:policy/eps-dos-api-live-boundary"
READS = ["s3:GetObject", "s3:ListBucket"]

provider = aws.Provider("good", region="eu-west-2", allowed_account_ids=["123456789012"])
opts = pulumi.ResourceOptions(provider=provider)
protected = pulumi.ResourceOptions(provider=provider, protect=True)

if STACK == "live":
    aws.Provider("bad.account-allowed.anywhere", region="eu-west-2")

# tagged
vpc = aws.ec2.Vpc("good", cidr_block="10.0.0.0/16", tags=TAGS, opts=opts)
aws.ec2.Vpc("bad.tagged.nothing", cidr_block="10.1.0.0/16", tags=EXPIRY, opts=opts)
aws.ec2.Vpc("bad.tagged.another", cidr_block="10.2.0.0/16", tags={**TAGS, "Environment": "int"}, opts=opts)

# expires
if STACK == "pr-7":
    aws.ec2.Vpc("bad.expires.never", cidr_block="10.3.0.0/16", tags=LASTING, opts=opts)
else:
    aws.ec2.Vpc("good-permanent", cidr_block="10.3.0.0/16", tags=LASTING, opts=opts)

# only-443, not-open-to-the-world, names-fit
group = aws.ec2.SecurityGroup("good", description="g", vpc_id=vpc.id, tags=TAGS, opts=opts)


def admit(name: str, cidr: str, port: int) -> None:
    """Make one rule of a security group."""
    aws.vpc.SecurityGroupIngressRule(
        name, security_group_id=group.id, ip_protocol="tcp", from_port=port, to_port=port, cidr_ipv4=cidr, tags=TAGS,
        opts=opts,
    )  # fmt: skip


admit("good", "192.0.2.0/28", 443)
admit("bad.only-443.ssh", "192.0.2.0/28", 22)
admit("bad.not-open-to-the-world.everybody", "0.0.0.0/0", 443)


def admit_list(name: str, cidr: str, called: str) -> None:
    """Make one prefix list."""
    entries = [aws.ec2.ManagedPrefixListEntryArgs(cidr=cidr)]
    aws.ec2.ManagedPrefixList(
        name, name=called, address_family="IPv4", max_entries=5, entries=entries, tags=TAGS, opts=opts
    )


admit_list("good", "192.0.2.0/28", "x" * 255)
admit_list("bad.not-open-to-the-world.list", "0.0.0.0/0", "everybody")
admit_list("bad.names-begin-as-they-may.list", "192.0.2.0/28", "com.amazonaws.list")
if STACK == "dev":
    # In a stack of its own: the provider refuses it as well, and the engine looks no further.
    admit_list("bad.names-fit.list", "192.0.2.0/28", "x" * 256)

# no-public-instances
public = aws.ec2.Subnet("good", vpc_id=vpc.id, cidr_block="10.0.0.0/24", tags=TAGS, opts=opts)
aws.ec2.Subnet(
    "bad.no-public-instances.subnet", vpc_id=vpc.id, cidr_block="10.0.1.0/24", map_public_ip_on_launch=True, tags=TAGS,
    opts=opts,
)  # fmt: skip


def template(
    name: str, *, tokens: str = "required", encrypted: str = "true", address: str = "false", certificate: str = ""
) -> None:
    """Make one launch template."""
    configuration = json.dumps({"certificateSecretArn": certificate})
    document = json.dumps({"write_files": [{"path": "/etc/environment.json", "content": configuration}]})
    aws.ec2.LaunchTemplate(
        name,
        instance_type="c7g.large",
        user_data=base64.b64encode(f"#cloud-config\n{document}".encode()).decode(),
        metadata_options=aws.ec2.LaunchTemplateMetadataOptionsArgs(http_tokens=tokens, http_endpoint="enabled"),
        network_interfaces=[aws.ec2.LaunchTemplateNetworkInterfaceArgs(associate_public_ip_address=address)],
        block_device_mappings=[
            aws.ec2.LaunchTemplateBlockDeviceMappingArgs(
                device_name="/dev/xvda", ebs=aws.ec2.LaunchTemplateBlockDeviceMappingEbsArgs(encrypted=encrypted)
            )
        ],
        tag_specifications=[
            aws.ec2.LaunchTemplateTagSpecificationArgs(resource_type=kind, tags=LASTING)
            for kind in ("instance", "volume")
        ],
        tags=TAGS,
        opts=opts,
    )


# imds-v2, encrypted, no-public-instances, certificate-of-its-own
template("good", certificate="arn:aws:secretsmanager:eu-west-2:123456789012:secret:its-own-d4e5f6")
template("bad.imds-v2.optional", tokens="optional")
template("bad.encrypted.volume", encrypted="false")
template("bad.no-public-instances.template", address="true")
template("good-lives" if STACK == "live" else "bad.certificate-of-its-own.template", certificate=LIVES_CERTIFICATE)


# bounded, policies-fit
trusted = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
trust = json.dumps({"Version": "2012-10-17", "Statement": [trusted]})
aws.iam.Role("good", assume_role_policy=trust, permissions_boundary=BOUNDARY, tags=TAGS, opts=opts)
aws.iam.Role("bad.bounded.not", assume_role_policy=trust, tags=TAGS, opts=opts)
long_trust = json.dumps({"Version": "2012-10-17", "Statement": [trusted] * 25})
aws.iam.Role(
    "bad.policies-fit.trust", assume_role_policy=long_trust, permissions_boundary=BOUNDARY, tags=TAGS, opts=opts
)


def role_policy(name: str, statements: list[dict[str, object]], role: str = "a-role") -> None:
    """Make one policy of a role."""
    aws.iam.RolePolicy(name, role=role, policy=json.dumps({"Statement": statements}), opts=opts)


# role-policies-fit
metrics: dict[str, object] = {"Effect": "Allow", "Action": "cloudwatch:PutMetricData", "Resource": "*"}
role_policy("good-long", [metrics] * 120, "another-role")
for name in ("bad.role-policies-fit.first", "bad.role-policies-fit.second"):
    role_policy(name, [metrics] * 120, "a-third-role")

# certificate-of-its-own, reads-lives-dataset
IN_LIVES = [f"arn:aws:s3:::{LIVES_DATASET}", f"arn:aws:s3:::{LIVES_DATASET}/*"]
may_read: dict[str, object] = {"Effect": "Allow", "Action": READS, "Resource": IN_LIVES}
never_writes: dict[str, object] = {"Effect": "Deny", "NotAction": READS, "Resource": IN_LIVES}
may_write: dict[str, object] = {"Effect": "Allow", "Action": ["s3:PutObject"], "Resource": IN_LIVES}
secret: dict[str, object] = {
    "Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": LIVES_CERTIFICATE,
}  # fmt: skip
role_policy("good", [may_read, may_write, never_writes])
role_policy("good-lives" if STACK == "live" else "bad.certificate-of-its-own.role", [secret])
if STACK != "live":
    role_policy("bad.reads-lives-dataset.undenied", [may_read])
    role_policy("bad.reads-lives-dataset.writes", [may_write])


def bucket(name: str, *, breaks: str = "", protect: bool = True) -> None:
    """Make one bucket, with all that a dataset has but for what keeps the rule that it `breaks`."""
    called = name.replace(".", "-")
    aws.s3.Bucket(name, bucket=called, tags=TAGS, opts=protected if protect else opts)
    if breaks != "private-buckets":
        aws.s3.BucketPublicAccessBlock(
            f"of-{name}", bucket=called, block_public_acls=True, block_public_policy=True, ignore_public_acls=True,
            restrict_public_buckets=True, opts=opts,
        )  # fmt: skip
    if breaks != "versioned":
        versioning = aws.s3.BucketVersioningVersioningConfigurationArgs(status="Enabled")
        aws.s3.BucketVersioning(f"of-{name}", bucket=called, versioning_configuration=versioning, opts=opts)
    if breaks != "encrypted":
        by_default = aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
            sse_algorithm="AES256"
        )
        rules = [
            aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(apply_server_side_encryption_by_default=by_default)
        ]
        aws.s3.BucketServerSideEncryptionConfiguration(f"of-{name}", bucket=called, rules=rules, opts=opts)
    plain_http = {
        "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": f"arn:aws:s3:::{called}/*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }  # fmt: skip
    document = {"Version": "2012-10-17", "Statement": [] if breaks == "tls-only" else [plain_http]}
    aws.s3.BucketPolicy(f"of-{name}", bucket=called, policy=json.dumps(document), opts=opts)


# scaling-keeps-to-the-schedule
empty = aws.autoscaling.Group(
    "good-empty", min_size=0, max_size=1, vpc_zone_identifiers=[public.id], opts=opts,
    launch_template=aws.autoscaling.GroupLaunchTemplateArgs(id="lt-0123456789abcdef0", version="1"),
    tags=[
        aws.autoscaling.GroupTagArgs(key=key, value=value, propagate_at_launch=key in ("CostCentre", "Owner"))
        for key, value in TAGS.items()
    ],
)  # fmt: skip
cpu = aws.autoscaling.PolicyTargetTrackingConfigurationPredefinedMetricSpecificationArgs(
    predefined_metric_type="ASGAverageCPUUtilization"
)
for name, only_out in (("good-cpu", True), ("bad.scaling-keeps-to-the-schedule.cpu", False)):
    tracking = aws.autoscaling.PolicyTargetTrackingConfigurationArgs(
        target_value=50, predefined_metric_specification=cpu, disable_scale_in=only_out
    )
    aws.autoscaling.Policy(
        name, autoscaling_group_name=empty.name, policy_type="TargetTrackingScaling",
        target_tracking_configuration=tracking, opts=opts,
    )  # fmt: skip

# slow-starts-ring-nothing
for name, minutes in (("good-unhealthy", 6), ("bad.slow-starts-ring-nothing.unhealthy", 5)):
    aws.cloudwatch.MetricAlarm(
        name, namespace="AWS/NetworkELB", metric_name="UnHealthyHostCount", statistic="Maximum", period=60,
        evaluation_periods=minutes, comparison_operator="GreaterThanOrEqualToThreshold", threshold=1, tags=TAGS,
        opts=opts,
    )  # fmt: skip

# private-buckets, versioned, encrypted, tls-only, protected
bucket("good")
for rule in ("private-buckets", "versioned", "encrypted", "tls-only"):
    bucket(f"bad.{rule}.bucket", breaks=rule)
bucket("bad.protected.bucket" if STACK == "live" else "good-unprotected", protect=False)

# protected, published-addresses
if STACK == "live":
    names = {
        "good": protected, "bad.protected.address": opts, "bad.published-addresses.another": opts,
        "bad.published-addresses.attached": opts,
    }  # fmt: skip
    zones = dict(zip(names, "abcd", strict=True))
    allocations = dict(zip(names, ADDRESSES, strict=True))
    for name, options in names.items():
        imported = pulumi.ResourceOptions.merge(options, pulumi.ResourceOptions(import_=allocations[name]))
        aws.ec2.Eip(name, domain="vpc", tags=TAGS, opts=imported)
    actual = {zones[name]: ADDRESSES[allocations[name]] for name in names}
    pulumi.export("virtualIps", actual)
    published = {zone: address for zone, address in actual.items() if zone in "ab"} | {"c": "192.0.2.99"}
    pulumi.export("settings", {"eps-dos-api:virtualIps": published})
    attached = allocations["bad.published-addresses.attached"]
    mappings = [aws.lb.LoadBalancerSubnetMappingArgs(subnet_id=public.id, allocation_id=attached)]
    # may-leave-a-zone
    for name, ends in (("good", False), ("bad.may-leave-a-zone.targets", True)):
        state = aws.lb.TargetGroupTargetHealthStateArgs(enable_unhealthy_connection_termination=ends)
        aws.lb.TargetGroup(
            name, name=f"targets-{str(ends).lower()}", port=443, protocol="TCP", vpc_id=vpc.id,
            target_health_states=[state], tags=TAGS, opts=opts,
        )  # fmt: skip
    for name, kept in (("good", True), ("bad.protected.balancer", False)):
        aws.lb.LoadBalancer(
            name, name=f"balancer-{str(kept).lower()}", load_balancer_type="network", subnet_mappings=mappings,
            enable_cross_zone_load_balancing=True, enable_zonal_shift=kept, enable_deletion_protection=kept, tags=TAGS,
            opts=protected if kept else opts,
        )  # fmt: skip
