"""Who may do what: the policy documents of an environment, as plain data.

They are here and not in the components because who may write a dataset is decided, not created, and because rules and
the mirror read the same documents. Each function returns a document (IAM JSON policy grammar, version 2012-10-17);
`as_json` writes it the same way each time. Left out: who may deploy, which is not the program's to grant.
"""

import json
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from infra.environment import DatasetPlan, ServicePlan, SupplierArea

Statement: TypeAlias = dict[str, object]
Document: TypeAlias = dict[str, object]

READ_OBJECTS = ("s3:GetObject", "s3:GetObjectVersion")
READ_BUCKET = ("s3:GetBucketLocation", "s3:ListBucket")
WRITE_OBJECTS = ("s3:DeleteObject", "s3:GetObject", "s3:GetObjectVersion", "s3:PutObject")
"""Objects are written and marked as deleted; no version is ever removed, so what the data was can be shown."""


def as_json(document: Document) -> str:
    """Return `document` as JSON, keys sorted, so that equal documents are equal strings."""
    return json.dumps(document, sort_keys=True)


def service_role_name(environment: str) -> str:
    """Return the name of the role that an environment's instances have; fixed, since other environments name it."""
    return f"eps-dos-api-{environment}-service"


def trust(service: str, conditions: Mapping[str, Mapping[str, str]] | None = None) -> Document:
    """Return the trust policy of a role that only the AWS service `service` (`ec2.amazonaws.com`) takes on."""
    statement: Statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    if conditions:
        statement["Condition"] = {operator: dict(keys) for operator, keys in conditions.items()}
    return _document([statement])


def service_permissions(
    service: ServicePlan, dataset: DatasetPlan, environment: str, partition: str, log_group_arn: str
) -> Document:
    """Return what the instances may do: read the dataset and one secret, write their own logs and metrics.

    Writing any dataset is denied expressly, in every environment: a mirror reads Live's data, and a grant elsewhere (a
    bucket policy, a second policy on the role) must not become a way to change it. `NotAction` denies what AWS may add.
    """
    bucket, objects = _bucket_arns(dataset.bucket, partition)
    reads = [*READ_BUCKET, *READ_OBJECTS]
    statements: list[Statement] = [
        {"Sid": "ListDataset", "Effect": "Allow", "Action": list(READ_BUCKET), "Resource": bucket},
        {"Sid": "ReadDataset", "Effect": "Allow", "Action": list(READ_OBJECTS), "Resource": objects},
        {"Sid": "NeverWriteDataset", "Effect": "Deny", "NotAction": reads, "Resource": [bucket, objects]},
        {
            "Sid": "WriteOwnLogs",
            "Effect": "Allow",
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": f"{log_group_arn}:*",
        },
        {
            "Sid": "WriteOwnMetrics",
            "Effect": "Allow",
            "Action": "cloudwatch:PutMetricData",
            # PutMetricData has no resource of its own; the namespace is what can be held to (IAM, CloudWatch actions).
            "Resource": "*",
            "Condition": {"StringEquals": {"cloudwatch:namespace": f"eps-dos-api/{environment}"}},
        },
    ]
    if service.certificate_secret_arn:
        statements.append(certificate_statement(service.certificate_secret_arn))
    return _document(statements)


def certificate_statement(secret_arn: str) -> Statement:
    """Return what lets the instances read their certificate, and no other secret."""
    return {
        "Sid": "ReadCertificate",
        "Effect": "Allow",
        "Action": "secretsmanager:GetSecretValue",
        "Resource": secret_arn,
    }


def dataset_policy(dataset: DatasetPlan, account_id: str, partition: str) -> Document:
    """Return the bucket policy of a dataset that the environment owns: TLS only, named readers, named writers.

    A bucket policy that names a role which doesn't exist yet is refused (IAM: principals must exist), so roles are
    given
    as their account plus a condition on `aws:PrincipalArn`; environments can then be made in any order.
    """
    bucket, objects = _bucket_arns(dataset.bucket, partition)
    statements: list[Statement] = [
        {
            "Sid": "TlsOnly",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [bucket, objects],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    ]
    readers = [_reader_arn(reader, account_id, partition) for reader in dataset.reader_roles]
    if readers:
        statements += _granted_to("Readers", readers, partition, READ_BUCKET, bucket)
        statements += _granted_to("Readers", readers, partition, READ_OBJECTS, objects, part="Objects")
        statements.append(
            {
                "Sid": "ReadersNeverWrite",
                "Effect": "Deny",
                "Principal": "*",
                "NotAction": [*READ_BUCKET, *READ_OBJECTS],
                "Resource": [bucket, objects],
                "Condition": {"ArnEquals": {"aws:PrincipalArn": readers}},
            }
        )
    operators = [role_arn(role, account_id, partition) for role in dataset.operator_role_arns]
    if operators:
        statements += _granted_to("Operators", operators, partition, READ_BUCKET, bucket)
        statements += _granted_to("Operators", operators, partition, WRITE_OBJECTS, objects, part="Objects")
    for area in dataset.supplier_areas:
        statements += _supplier_statements(area, bucket, partition)
    return _document(statements)


def s3_endpoint_policy(dataset: DatasetPlan, partition: str) -> Document:
    """Return the policy of the S3 gateway endpoint: the dataset, to read, and no other bucket of anybody's."""
    bucket, objects = _bucket_arns(dataset.bucket, partition)
    return _document(
        [
            {
                "Effect": "Allow",
                "Principal": "*",
                "Action": [*READ_BUCKET, *READ_OBJECTS],
                "Resource": [bucket, objects],
            }
        ]
    )


def interface_endpoint_policy(account_id: str) -> Document:
    """Return the policy of the interface endpoints: principals of this account only."""
    return _document(
        [
            {
                "Effect": "Allow",
                "Principal": "*",
                "Action": "*",
                "Resource": "*",
                "Condition": {"StringEquals": {"aws:PrincipalAccount": account_id}},
            }
        ]
    )


def flow_log_trust(account_id: str) -> Document:
    """Return the trust policy for VPC flow logs, closed to other accounts' flow logs (the confused deputy)."""
    return trust("vpc-flow-logs.amazonaws.com", {"StringEquals": {"aws:SourceAccount": account_id}})


def flow_log_permissions(log_group_arn: str) -> Document:
    """Return what flow logs may do: write into the one log group (Amazon VPC guide, publishing to CloudWatch Logs)."""
    return _document(
        [
            {
                "Effect": "Allow",
                "Action": ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
                "Resource": f"{log_group_arn}:*",
            }
        ]
    )


def alarm_topic_policy(topic_arn: str, account_id: str) -> Document:
    """Return the policy of the alarm topic: this account's alarms may publish, nobody without TLS."""
    return _document(
        [
            {
                "Sid": "Alarms",
                "Effect": "Allow",
                "Principal": {"Service": "cloudwatch.amazonaws.com"},
                "Action": "sns:Publish",
                "Resource": topic_arn,
                "Condition": {"StringEquals": {"aws:SourceAccount": account_id}},
            },
            {
                "Sid": "TlsOnly",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "sns:Publish",
                "Resource": topic_arn,
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            },
        ]
    )


def role_arn(role: str, account_id: str, partition: str) -> str:
    """Return the ARN of `role`, which is one already or the name of a role of the account deployed to."""
    return role if role.startswith("arn:") else f"arn:{partition}:iam::{account_id}:role/{role}"


def _reader_arn(reader: str, account_id: str, partition: str) -> str:
    return reader if reader.startswith("arn:") else role_arn(service_role_name(reader), account_id, partition)


def _granted_to(
    who: str, role_arns: Sequence[str], partition: str, actions: Sequence[str], resource: str, part: str = ""
) -> list[Statement]:
    """Return a statement per account, so that an account never vouches for a role of another's."""
    by_account: dict[str, list[str]] = {}
    for arn in role_arns:
        by_account.setdefault(arn.split(":")[4], []).append(arn)
    return [
        {
            "Sid": f"{who}{part}{account}",
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:{partition}:iam::{account}:root"},
            "Action": list(actions),
            "Resource": resource,
            "Condition": {"ArnEquals": {"aws:PrincipalArn": sorted(arns)}},
        }
        for account, arns in sorted(by_account.items())
    ]


def _supplier_statements(area: SupplierArea, bucket_arn: str, partition: str) -> list[Statement]:
    # A Sid holds letters and digits only.
    sid = "Supplier" + "".join(character for character in area.prefix.title() if character.isalnum())
    principal = {"AWS": f"arn:{partition}:iam::{area.account_id}:root"}
    return [
        {
            "Sid": f"{sid}List",
            "Effect": "Allow",
            "Principal": principal,
            "Action": "s3:ListBucket",
            "Resource": bucket_arn,
            "Condition": {"StringLike": {"s3:prefix": f"{area.prefix}*"}},
        },
        {
            "Sid": f"{sid}Write",
            "Effect": "Allow",
            "Principal": principal,
            "Action": list(WRITE_OBJECTS),
            "Resource": f"{bucket_arn}/{area.prefix}*",
        },
    ]


def _bucket_arns(bucket: str, partition: str) -> tuple[str, str]:
    return f"arn:{partition}:s3:::{bucket}", f"arn:{partition}:s3:::{bucket}/*"


def _document(statements: list[Statement]) -> Document:
    return {"Version": "2012-10-17", "Statement": statements}
