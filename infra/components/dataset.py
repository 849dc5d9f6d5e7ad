"""Dataset: the bucket that holds what the environment answers from.

Only an environment that owns its data has one; a mirror reads Live's by name. The settings of a bucket are resources
of their own, since the provider keeps them apart from the bucket.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.environment import DatasetPlan


@dataclass(frozen=True, kw_only=True)
class DatasetArgs:
    """What the bucket is made from."""

    plan: DatasetPlan
    policy: pulumi.Input[str]
    tags: Mapping[str, str]


class Dataset(pulumi.ComponentResource):
    """A private, encrypted bucket that is spoken to over TLS only and keeps for a while what it was."""

    def __init__(self, name: str, args: DatasetArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("eps-dos-api:infra:Dataset", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        bucket = aws.s3.Bucket(
            f"{name}-dataset",
            bucket=args.plan.bucket,
            force_destroy=args.plan.emptied_on_destroy,
            tags={**args.tags, "Name": f"{name}-dataset"},
            opts=pulumi.ResourceOptions(parent=self, protect=args.plan.protected, retain_on_delete=args.plan.protected),
        )
        # By `bucket` and not by `id`, which is the same and in a preview not known yet: rules and reviewers see whose
        # settings these are before anything is made.
        closed = aws.s3.BucketPublicAccessBlock(
            f"{name}-dataset",
            bucket=bucket.bucket,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=child,
        )
        aws.s3.BucketOwnershipControls(
            f"{name}-dataset",
            bucket=bucket.bucket,
            rule=aws.s3.BucketOwnershipControlsRuleArgs(object_ownership="BucketOwnerEnforced"),
            opts=child,
        )
        versioning = aws.s3.BucketVersioning(
            f"{name}-dataset",
            bucket=bucket.bucket,
            versioning_configuration=aws.s3.BucketVersioningVersioningConfigurationArgs(status="Enabled"),
            opts=child,
        )
        aws.s3.BucketServerSideEncryptionConfiguration(
            f"{name}-dataset",
            bucket=bucket.bucket,
            rules=[
                aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(
                    apply_server_side_encryption_by_default=aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
                        sse_algorithm="AES256"
                    )
                )
            ],
            opts=child,
        )
        aws.s3.BucketLifecycleConfiguration(
            f"{name}-dataset",
            bucket=bucket.bucket,
            rules=[
                aws.s3.BucketLifecycleConfigurationRuleArgs(
                    id="superseded",
                    status="Enabled",
                    # Of all objects; the provider wants that said.
                    filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
                    noncurrent_version_expiration=aws.s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(
                        noncurrent_days=args.plan.superseded_days
                    ),
                    abort_incomplete_multipart_upload=aws.s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
                        days_after_initiation=args.plan.unfinished_upload_days
                    ),
                )
            ],
            # S3 counts superseded versions of a bucket that keeps versions.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[versioning]),
        )
        aws.s3.BucketPolicy(
            f"{name}-dataset",
            bucket=bucket.bucket,
            policy=args.policy,
            # S3 answers concurrent changes of a bucket's policy and its access block with a conflict.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[closed]),
        )
        self.register_outputs({"bucket": bucket.id})
