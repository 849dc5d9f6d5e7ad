"""Rows of S3: buckets, and their settings as resources of their own.

What replaces is from hashicorp/terraform-provider-aws, internal/service/s3, the file named at each row. Left out: the
bucket's deprecated properties for what is a resource of its own now, object lock, directory buckets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from lab.provider.forms import TAGS, ListOf, Moment, Part, SetOf, Single, nested
from lab.provider.forms import Policy as PolicyDocument
from lab.provider.model import NOT_SENT, Call, Look, Name, Property, Resource, Tagging, Update, Value
from lab.provider.work import Work

_DELETED_PER_REQUEST = 1000
"""S3 API reference, DeleteObjects: the most keys that one request takes."""

_HOSTED_ZONES = {"eu-west-1": "Z1BKCTXD74EZPE", "eu-west-2": "Z3GKZC51ZF0DB4", "us-east-1": "Z3AQBSTGFYJSTF"}
"""AWS general reference, S3 website endpoints: hosted zones of the regions that the lab knows."""


def _create_bucket(work: Work) -> None:
    parameters: dict[str, Any] = {"Bucket": work.inputs["bucket"]}
    # The one region that must not be named (S3 API reference, CreateBucket).
    if work.region != "us-east-1":
        parameters["CreateBucketConfiguration"] = {"LocationConstraint": work.region}
    work.call("create_bucket", **parameters)
    work.id = work.inputs["bucket"]


def _set_tags(work: Work) -> None:
    """S3 only takes all tags at once; what isn't the program's (aws:...) must be kept."""
    try:
        present = work.call("get_bucket_tagging", Bucket=work.id)["TagSet"]
    except ClientError:
        present = []
    tags = {tag["Key"]: tag["Value"] for tag in present if tag["Key"].startswith("aws:")}
    tags |= work.inputs.get("tagsAll") or {}
    if tags:
        work.call("put_bucket_tagging", Bucket=work.id, Tagging={"TagSet": TAGS.send(tags)})
    else:
        work.call("delete_bucket_tagging", Bucket=work.id)


def _empty_bucket(work: Work) -> None:
    """Delete every version of every object, if the program has asked for that (forceDestroy)."""
    if not work.state.get("forceDestroy"):
        return
    while True:
        answer = work.call("list_object_versions", Bucket=work.id, MaxKeys=_DELETED_PER_REQUEST)
        found = [
            {"Key": version["Key"], "VersionId": version["VersionId"]}
            for version in [*answer.get("Versions", []), *answer.get("DeleteMarkers", [])]
        ]
        if not found:
            return
        work.call("delete_objects", Bucket=work.id, Delete={"Objects": found, "Quiet": True})


def _bucket_rules(inputs: Mapping[str, Any]) -> list[tuple[str, str]]:
    name = inputs.get("bucket")
    if isinstance(name, str) and not (3 <= len(name) <= 63 and name == name.lower() and "_" not in name):
        return [("bucket", f"{name!r} isn't a bucket name: 3 to 63 lower-case letters, digits, hyphens and dots")]
    return []


def _described_bucket(work: Work, description: dict[str, Any]) -> dict[str, Any]:
    return {**description, "Bucket": work.id, "HostedZoneId": _HOSTED_ZONES.get(work.region)}


BUCKET = Resource(  # bucket.go
    type="aws:s3/bucket:Bucket",
    label="S3 Bucket",
    service="s3",
    properties={
        "bucket": Property(replaces=True, computed=True),
        "bucketPrefix": Property(sends=NOT_SENT, reads=NOT_SENT, replaces=True, longest=37),
        "forceDestroy": Property(sends=NOT_SENT, reads=NOT_SENT, default=False),
    },
    create=(_create_bucket,),
    reads=(
        Look(operation="head_bucket", parameters={"Bucket": "{id}"}, result="{BucketRegion: BucketRegion}"),
        Look(
            operation="get_bucket_tagging",
            parameters={"Bucket": "{id}"},
            result="TagSet",
            into="Tags",
            absent=("NoSuchTagSet",),
        ),
    ),
    describe=_described_bucket,
    delete=(_empty_bucket, Call(operation="delete_bucket", parameters={"Bucket": "{id}"})),
    computed={
        "arn": "arn:{partition}:s3:::{id}",
        "bucketDomainName": "{id}.s3.{dns_suffix}",
        "bucketRegionalDomainName": "{id}.s3.{region}.{dns_suffix}",
        "bucketRegion": "{region}",
        "hostedZoneId": "HostedZoneId",
    },
    tags=Tagging(parameter="", add=_set_tags, remove=_set_tags),
    name=Name(property="bucket", prefix_property="bucketPrefix", longest=63, finish=lambda name, _inputs: name.lower()),
    gone=("NoSuchBucket", "404"),
    conflicts=(("bucket", "bucketPrefix"),),
    checks=(_bucket_rules,),
    unimplemented=(
        "accelerationStatus", "acl", "bucketNamespace", "corsRules", "grants", "lifecycleRules", "logging",
        "objectLockConfiguration", "objectLockEnabled", "policy", "replicationConfiguration", "requestPayer",
        "serverSideEncryptionConfiguration", "versioning", "website",
    ),
)  # fmt: skip

_GONE = ("NoSuchBucket", "404")


def _setting(
    *,
    type_name: str,
    label: str,
    properties: Mapping[str, Property],
    put: Call,
    look: Look,
    delete: Call | Callable[[Work], None],
    absent: str = "",
    describe: Callable[[Work, dict[str, Value]], dict[str, Value] | None] | None = None,
    unimplemented: tuple[str, ...] = (),
) -> Resource:
    """Return the row of one of a bucket's settings: put as a whole, known by the bucket's name."""
    token = type_name[:1].lower() + type_name[1:]
    return Resource(
        type=f"aws:s3/{token}:{type_name}",
        label=label,
        service="s3",
        properties={"bucket": Property(reads=NOT_SENT, replaces=True, longest=63), **properties},
        create=(Call(operation=put.operation, parameters=put.parameters, id="{bucket}"),),
        updates=(Update(on=tuple(properties), do=put, everything=True),),
        reads=(look,),
        describe=describe,
        delete=(delete,),
        gone=(*_GONE, *((absent,) if absent else ())),
        unimplemented=unimplemented,
    )


_BY_NAME = {"Bucket": "{id}"}


def _suspend(work: Work) -> None:
    # What has been enabled once can't be disabled, only suspended (S3 user guide, versioning).
    if work.state.get("versioningConfiguration", {}).get("status") == "Enabled":
        work.call("put_bucket_versioning", Bucket=work.id, VersioningConfiguration={"Status": "Suspended"})


def _known_status(_work: Work, description: dict[str, Any]) -> dict[str, Any]:
    return {**description, "Status": description.get("Status") or "Disabled"}


_VERSIONING = nested("status", mfaDelete=Part("MFADelete", computed=True))


VERSIONING = _setting(  # bucket_versioning.go
    type_name="BucketVersioning",
    label="S3 Bucket Versioning",
    properties={"versioningConfiguration": Property(reads="@", form=_VERSIONING)},
    put=Call(operation="put_bucket_versioning"),
    look=Look(operation="get_bucket_versioning", parameters=_BY_NAME),
    describe=_known_status,
    delete=_suspend,
    unimplemented=("expectedBucketOwner", "mfa"),
)

ENCRYPTION = _setting(  # bucket_server_side_encryption_configuration.go
    type_name="BucketServerSideEncryptionConfiguration",
    label="S3 Bucket Server-side Encryption Configuration",
    properties={
        "rules": Property(
            sends="ServerSideEncryptionConfiguration.Rules",
            form=SetOf(
                nested(
                    applyServerSideEncryptionByDefault=Part(
                        "ApplyServerSideEncryptionByDefault",
                        form=nested(sseAlgorithm=Part("SSEAlgorithm"), kmsMasterKeyId=Part("KMSMasterKeyID")),
                    ),
                    bucketKeyEnabled=Part(),
                )
            ),
        )
    },
    put=Call(operation="put_bucket_encryption"),
    look=Look(operation="get_bucket_encryption", parameters=_BY_NAME),
    delete=Call(operation="delete_bucket_encryption", parameters=_BY_NAME),
    absent="ServerSideEncryptionConfigurationNotFoundError",
    unimplemented=("expectedBucketOwner",),
)

_BLOCKS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")


def _unblock(work: Work) -> None:
    if not work.state.get("skipDestroy"):
        work.call("delete_public_access_block", Bucket=work.id)


PUBLIC_ACCESS_BLOCK = _setting(  # bucket_public_access_block.go
    type_name="BucketPublicAccessBlock",
    label="S3 Bucket Public Access Block",
    properties={
        **{
            name: Property(sends=f"PublicAccessBlockConfiguration.{name[:1].upper()}{name[1:]}", default=False)
            for name in _BLOCKS
        },
        "skipDestroy": Property(sends=NOT_SENT, reads=NOT_SENT),
    },
    put=Call(operation="put_public_access_block"),
    look=Look(operation="get_public_access_block", parameters=_BY_NAME),
    delete=_unblock,
    absent="NoSuchPublicAccessBlockConfiguration",
)

OWNERSHIP_CONTROLS = _setting(  # bucket_ownership_controls.go
    type_name="BucketOwnershipControls",
    label="S3 Bucket Ownership Controls",
    properties={
        "rule": Property(
            sends="OwnershipControls.Rules",
            reads="OwnershipControls.Rules",
            form=Single({"objectOwnership": Part()}),
        )
    },
    put=Call(operation="put_bucket_ownership_controls"),
    look=Look(operation="get_bucket_ownership_controls", parameters=_BY_NAME),
    delete=Call(operation="delete_bucket_ownership_controls", parameters=_BY_NAME),
    absent="OwnershipControlsNotFoundError",
)

BUCKET_POLICY = _setting(  # bucket_policy.go
    type_name="BucketPolicy",
    label="S3 Bucket Policy",
    properties={"policy": Property(form=PolicyDocument())},
    put=Call(operation="put_bucket_policy"),
    look=Look(operation="get_bucket_policy", parameters=_BY_NAME),
    delete=Call(operation="delete_bucket_policy", parameters=_BY_NAME),
    absent="NoSuchBucketPolicy",
)

_RULE = nested(
    "status prefix",
    id=Part("ID"),
    filter=Part(form=nested("prefix objectSizeGreaterThan objectSizeLessThan", tag=Part(form=nested("key value")))),
    expiration=Part(form=nested("days expiredObjectDeleteMarker", date=Part(form=Moment()))),
    abortIncompleteMultipartUpload=Part(form=nested("daysAfterInitiation")),
    noncurrentVersionExpiration=Part(form=nested("noncurrentDays newerNoncurrentVersions")),
    noncurrentVersionTransitions=Part(form=SetOf(nested("noncurrentDays newerNoncurrentVersions storageClass"))),
    transitions=Part(form=SetOf(nested("days storageClass", date=Part(form=Moment())))),
)


def _rule_with_filter(rule: dict[str, Any]) -> dict[str, Any]:
    return rule if "Prefix" in rule or "Filter" in rule else {**rule, "Filter": {"Prefix": ""}}


def _put_lifecycle(work: Work) -> None:
    rules = [_rule_with_filter(_RULE.send(rule)) for rule in work.inputs["rules"]]
    bucket = work.inputs["bucket"]
    work.call("put_bucket_lifecycle_configuration", Bucket=bucket, LifecycleConfiguration={"Rules": rules})
    work.id = bucket


LIFECYCLE = Resource(  # bucket_lifecycle_configuration.go
    type="aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
    label="S3 Bucket Lifecycle Configuration",
    service="s3",
    properties={
        "bucket": Property(reads=NOT_SENT, replaces=True, longest=63),
        "rules": Property(sends=NOT_SENT, reads="Rules", form=ListOf(_RULE)),
    },
    create=(_put_lifecycle,),
    updates=(Update(on=("rules",), do=_put_lifecycle),),
    reads=(Look(operation="get_bucket_lifecycle_configuration", parameters=_BY_NAME),),
    delete=(Call(operation="delete_bucket_lifecycle", parameters=_BY_NAME),),
    gone=(*_GONE, "NoSuchLifecycleConfiguration"),
    unimplemented=("expectedBucketOwner", "timeouts", "transitionDefaultMinimumObjectSize"),
)

ROWS = (
    BUCKET,
    VERSIONING,
    ENCRYPTION,
    PUBLIC_ACCESS_BLOCK,
    OWNERSHIP_CONTROLS,
    BUCKET_POLICY,
    LIFECYCLE,
)
