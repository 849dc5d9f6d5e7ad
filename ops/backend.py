"""`eps-dos backend init`: a bucket of S3 that keeps the states of all stacks, made once and safe to make again.

Versioned, since a state that was overwritten is what brings a stack back; encrypted; private; TLS only; owner's objects
only. Pulumi logs in to it by its URL. Left out: who may use it, and the key that encrypts secrets, which
`pulumi stack init --secrets-provider` names. Entered by preflight.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer
from botocore.exceptions import ClientError

from infra.access import bucket_arns, tls_only
from infra.environment import AwsPlan
from infra.errors import ConfigError
from infra.graph import canonical_statement, policy_statements
from ops.aws.clients import Aws, unless
from ops.lab.entering import InLab, place
from ops.output.progress import say

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

app = typer.Typer(
    help="Where the states of stacks are kept.",
    epilog="Example: eps-dos backend init --bucket eps-dos-api-states --region eu-west-2",
    no_args_is_help=True,
)

PRIVATE = {"BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True, "RestrictPublicBuckets": True}
ENCRYPTED = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
OWNERSHIP = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
FIRST_REGION = "us-east-1"
"""The one region that CreateBucket takes no location for (Amazon S3 API)."""
AWS_HOSTS = (".amazonaws.com", ".amazonaws.com.cn")
"""Where AWS's own S3 is (AWS General Reference, Amazon S3 endpoints)."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One property of the bucket: what it is called, whether it is so, and the call that makes it so."""

    name: str
    holds: Callable[[], bool]
    make: Callable[[], object]


@app.command()
def init(
    bucket: Annotated[str, typer.Option("--bucket", help="The bucket's name, unique in all of AWS.", metavar="NAME")],
    region: Annotated[str, typer.Option("--region", help="Where it is kept.")] = "eu-west-2",
    profile: Annotated[str | None, typer.Option("--profile", help="Of the AWS configuration files.")] = None,
    in_lab: InLab = False,
) -> None:
    """Make the bucket that keeps the states of all stacks, or mend what it lacks. Prints the URL to log in to.

    Example: eps-dos backend init --bucket eps-dos-api-states --region eu-west-2
    """
    at = place(in_lab)

    s3 = Aws(AwsPlan(region=region, profile=profile), at).s3
    for name in made(s3, bucket, region):
        say(f"{bucket}: {name}")
    typer.echo(url(bucket, region, s3.meta.endpoint_url))


def made(s3: S3Client, bucket: str, region: str) -> Iterator[str]:
    """Make what is missing and yield its name, step by step.

    Raises ConfigError if the bucket is another account's, or elsewhere; botocore's errors if a call fails.
    """
    if not _exists(s3, bucket, region):
        location: Any = {"CreateBucketConfiguration": {"LocationConstraint": region}}
        if region == FIRST_REGION:
            location = {}
        s3.create_bucket(Bucket=bucket, ObjectOwnership="BucketOwnerEnforced", **location)
        yield "made"
    for step in steps(s3, bucket):
        if not step.holds():
            step.make()
            yield step.name


def steps(s3: S3Client, bucket: str) -> tuple[Step, ...]:
    """Return what the bucket must be, in the order in which it is made so."""
    statement = tls_only("s3:*", list(bucket_arns(bucket, s3.meta.partition)))
    block: Any = PRIVATE
    encryption: Any = ENCRYPTED
    ownership: Any = OWNERSHIP

    def policy() -> dict[str, Any]:
        answer = unless(lambda: s3.get_bucket_policy(Bucket=bucket), "NoSuchBucketPolicy")
        return dict(json.loads(answer["Policy"])) if answer else {"Version": "2012-10-17", "Statement": []}

    def with_tls_only() -> str:
        # What a team has added stays.
        there = policy()
        others = [other for other in policy_statements(there) if other.get("Sid") != statement["Sid"]]
        return json.dumps({**there, "Statement": [statement, *others]})

    def blocked() -> bool:
        answer = unless(lambda: s3.get_public_access_block(Bucket=bucket), "NoSuchPublicAccessBlockConfiguration")
        return answer is not None and dict(answer["PublicAccessBlockConfiguration"]) == PRIVATE

    def encrypted() -> bool:
        missing = "ServerSideEncryptionConfigurationNotFoundError"
        return unless(lambda: s3.get_bucket_encryption(Bucket=bucket), missing) is not None

    def owned() -> bool:
        answer = unless(lambda: s3.get_bucket_ownership_controls(Bucket=bucket), "OwnershipControlsNotFoundError")
        return (
            answer is not None and [dict(rule) for rule in answer["OwnershipControls"]["Rules"]] == OWNERSHIP["Rules"]
        )

    return (
        Step(
            name="private",
            holds=blocked,
            make=lambda: s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=block),
        ),
        Step(
            name="only its owner's objects",
            holds=owned,
            make=lambda: s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=ownership),
        ),
        Step(
            name="versioned",
            holds=lambda: s3.get_bucket_versioning(Bucket=bucket).get("Status") == "Enabled",
            make=lambda: s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"}),
        ),
        Step(
            name="encrypted",
            holds=encrypted,
            make=lambda: s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=encryption),
        ),
        Step(
            name="TLS only",
            holds=lambda: canonical_statement(statement) in map(canonical_statement, policy_statements(policy())),
            make=lambda: s3.put_bucket_policy(Bucket=bucket, Policy=with_tls_only()),
        ),
    )


def missing(s3: S3Client, bucket: str) -> list[str]:
    """Return what the bucket isn't and must be."""
    return [step.name for step in steps(s3, bucket) if not step.holds()]


def url(bucket: str, region: str, endpoint: str) -> str:
    """Return what `pulumi login` takes. `endpoint` is where S3 is asked: AWS's own, or the lab's or another's."""
    host = urlsplit(endpoint).hostname or ""
    if host.endswith(AWS_HOSTS):
        return f"s3://{bucket}?region={region}"
    return f"s3://{bucket}?region={region}&endpoint={endpoint}&s3ForcePathStyle=true"


def _exists(s3: S3Client, bucket: str, region: str) -> bool:
    try:
        head = s3.head_bucket(Bucket=bucket)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in {"404", "NoSuchBucket"}:
            return False
        if code in {"403", "AccessDenied", "301", "PermanentRedirect"}:
            raise ConfigError.of(
                "--bucket",
                f"is {bucket}, which is another account's, or is elsewhere than in {region}",
                "eps-dos backend init --bucket ANOTHER-NAME",
            ) from None
        raise
    there = head["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region", region)
    if there != region:
        raise ConfigError.of(
            "--region",
            f"is {region}, and {bucket} is in {there}",
            f"eps-dos backend init --bucket {bucket} --region {there}",
        )
    return True
