"""Who may do what: the policy documents of an environment, as plain data.

They are here and not in the components because who may write a dataset is decided, not created, and because rules and
the mirror read the same documents. Each function returns a document (IAM JSON policy grammar, version 2012-10-17);
`as_json` writes it the same way each time. Left out: who may deploy, which is not the program's to grant.
"""

import json
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from infra.environment import DatasetPlan, Environment, ServicePlan, SupplierArea

Statement: TypeAlias = dict[str, object]
Document: TypeAlias = dict[str, object]

LONGEST_MANAGED_POLICY = 6_144
"""Characters, white space left out (IAM and STS quotas)."""
LONGEST_INLINE_POLICIES = 10_240
"""Characters of all inline policies of a role, white space left out (as above)."""
LONGEST_TRUST = 2_048
"""Characters (as above; 4,096 on request)."""

READ_OBJECTS = ("s3:GetObject", "s3:GetObjectVersion")
READ_BUCKET = ("s3:GetBucketLocation", "s3:ListBucket")
WRITE_LOGS = ("logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents")
SESSIONS = (
    "ssm:UpdateInstanceInformation",
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
)
"""What Session Manager needs of an instance (Systems Manager guide, add Session Manager permissions to an existing IAM
role). They have no resource to be held to (Service Authorization Reference, AWS Systems Manager)."""
WRITE_OBJECTS = ("s3:DeleteObject", "s3:GetObject", "s3:GetObjectVersion", "s3:PutObject")
"""Objects are written and marked as deleted; no version is ever removed, so what the data was can be shown."""


def as_json(document: Document) -> str:
    """Return `document` as JSON, keys sorted, so that equal documents are equal strings."""
    return json.dumps(document, sort_keys=True)


def service_role_name(environment: str) -> str:
    """Return the name of the role that an environment's instances have; fixed, since other environments name it."""
    return named(environment, "service")


def named(environment: str, label: str) -> str:
    """Return the name of what has no random end, since by it policies say whose it is: `eps-dos-api-live-flow-log`."""
    return f"eps-dos-api-{environment}-{label}"


def allow(sid: str, actions: Sequence[str] | str, resource: Sequence[str] | str, **elements: object) -> Statement:
    """Return a statement that allows `actions`; `elements` are further ones, in IAM's names: `Condition`."""
    listed = actions if isinstance(actions, str) else list(actions)
    return {"Sid": sid, "Effect": "Allow", "Action": listed, "Resource": resource, **elements}


def trust(service: str, conditions: Mapping[str, Mapping[str, str]] | None = None) -> Document:
    """Return the trust policy of a role that only the AWS service `service` (`ec2.amazonaws.com`) takes on."""
    statement: Statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    if conditions:
        statement["Condition"] = {operator: dict(keys) for operator, keys in conditions.items()}
    return document([statement])


def service_permissions(
    service: ServicePlan, dataset: DatasetPlan, environment: str, partition: str, log_group_arn: str
) -> Document:
    """Return what the instances may do: read the dataset and one secret, write their own logs and metrics.

    Writing any dataset is denied expressly, in every environment: a mirror reads Live's data, and a grant elsewhere (a
    bucket policy, a second policy on the role) must not become a way to change it. `NotAction` denies what AWS may add.
    """
    bucket, objects = bucket_arns(dataset.bucket, partition)
    reads = [*READ_BUCKET, *READ_OBJECTS]
    statements: list[Statement] = [
        allow("ListDataset", READ_BUCKET, bucket),
        allow("ReadDataset", READ_OBJECTS, objects),
        {"Sid": "NeverWriteDataset", "Effect": "Deny", "NotAction": reads, "Resource": [bucket, objects]},
        allow("WriteOwnLogs", ["logs:CreateLogStream", "logs:PutLogEvents"], f"{log_group_arn}:*"),
        allow(
            "WriteOwnMetrics",
            "cloudwatch:PutMetricData",
            # PutMetricData has no resource of its own; the namespace is what can be held to (IAM, CloudWatch actions).
            "*",
            Condition={"StringEquals": {"cloudwatch:namespace": f"eps-dos-api/{environment}"}},
        ),
    ]
    if service.operator_sessions:
        statements.append(allow("OperatorSessions", SESSIONS, "*"))
    if service.certificate_secret_arn:
        statements.append(certificate_statement(service.certificate_secret_arn))
    return document(statements)


def certificate_statement(secret_arn: str) -> Statement:
    """Return what lets the instances read their certificate, and no other secret."""
    return allow("ReadCertificate", "secretsmanager:GetSecretValue", secret_arn)


def dataset_policy(dataset: DatasetPlan, account_id: str, partition: str) -> Document:
    """Return the bucket policy of a dataset that the environment owns: TLS only, named readers, named writers.

    A bucket policy that names a role which doesn't exist yet is refused (IAM: principals must exist), so roles are
    given as their account plus a condition on `aws:PrincipalArn`; environments can then be made in any order.
    """
    bucket, objects = bucket_arns(dataset.bucket, partition)
    statements = [tls_only("s3:*", [bucket, objects])]
    readers = [_reader_arn(reader, account_id, partition) for reader in dataset.reader_roles]
    if readers:
        statements += _granted_to("Readers", readers, partition, READ_BUCKET, bucket)
        statements += _granted_to("ReadersObjects", readers, partition, READ_OBJECTS, objects)
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
    statements += _granted_to("Operators", operators, partition, READ_BUCKET, bucket)
    statements += _granted_to("OperatorsObjects", operators, partition, WRITE_OBJECTS, objects)
    for area in dataset.supplier_areas:
        statements += _supplier_statements(area, bucket, partition)
    return document(statements)


def s3_endpoint_policy(dataset: DatasetPlan, partition: str) -> Document:
    """Return the policy of the S3 gateway endpoint: the dataset, to read, and no other bucket of anybody's."""
    actions, resources = [*READ_BUCKET, *READ_OBJECTS], list(bucket_arns(dataset.bucket, partition))
    return document([{"Effect": "Allow", "Principal": "*", "Action": actions, "Resource": resources}])


def interface_endpoint_policy(account_id: str) -> Document:
    """Return the policy of the interface endpoints: principals of this account only."""
    own = {"StringEquals": {"aws:PrincipalAccount": account_id}}
    return document([{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*", "Condition": own}])


def flow_log_trust(account_id: str) -> Document:
    """Return the trust policy for VPC flow logs, closed to other accounts' flow logs (the confused deputy)."""
    return trust("vpc-flow-logs.amazonaws.com", {"StringEquals": {"aws:SourceAccount": account_id}})


def flow_log_permissions(log_group_arn: str) -> Document:
    """Return what flow logs may do: write into the one log group (Amazon VPC guide, publishing to CloudWatch Logs)."""
    return document([{"Effect": "Allow", "Action": list(WRITE_LOGS), "Resource": f"{log_group_arn}:*"}])


def alarm_topic_policy(topic_arn: str, account_id: str) -> Document:
    """Return the policy of the alarm topic: this account's alarms may publish, nobody without TLS."""
    alarms = {"Service": "cloudwatch.amazonaws.com"}
    own = {"StringEquals": {"aws:SourceAccount": account_id}}
    return document(
        [
            allow("Alarms", "sns:Publish", topic_arn, Principal=alarms, Condition=own),
            tls_only("sns:Publish", topic_arn),
        ]
    )


def tls_only(actions: str, resource: Sequence[str] | str) -> Statement:
    """Return the statement that refuses requests without TLS (Amazon S3 guide, security best practices)."""
    return {
        "Sid": "TlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": actions,
        "Resource": resource,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


OF_TESTS = "one_test"
"""In names: what is for all environments that are made for one test. No stack can be called so."""


def boundary_name(stack: str) -> str:
    """Return the name of the permissions boundary of a stack's roles; `OF_TESTS`: of environments for one test."""
    return named(stack, "boundary")


def boundary_arn(environment: Environment, account_id: str, partition: str) -> str:
    """Return the ARN of the permissions boundary that the roles of `environment` have."""
    return boundary_arn_of(environment.name if environment.lifetime is None else OF_TESTS, account_id, partition)


def boundary_arn_of(stack: str, account_id: str, partition: str) -> str:
    """Return the ARN of the permissions boundary of a stack's roles, or with OF_TESTS of those made for one test."""
    return f"arn:{partition}:iam::{account_id}:policy/{boundary_name(stack)}"


def boundary(stack: str, bucket: str, partition: str) -> Document:
    """Return the most that a role of `stack` may do, whatever its policies say: what the program's two roles do.

    Whoever deploys may give such a role any policy; with this as its permissions boundary that leads nowhere (IAM
    guide, permissions boundaries: both must allow), not to another environment's dataset either. `bucket` is the
    dataset that it reads. `service_permissions` and `flow_log_permissions` narrow it.
    """
    name = "*" if stack == OF_TESTS else stack
    own_metrics = {"StringLike": {"cloudwatch:namespace": f"eps-dos-api/{name}"}}
    certificates = f"arn:{partition}:secretsmanager:*:*:secret:{bounded_secrets(stack)}"
    statements = [
        allow("ReadDataset", [*READ_BUCKET, *READ_OBJECTS], list(bucket_arns(bucket, partition))),
        allow("WriteLogs", WRITE_LOGS, f"arn:{partition}:logs:*:*:log-group:eps-dos-api-{name}-*"),
        allow("WriteMetrics", "cloudwatch:PutMetricData", "*", Condition=own_metrics),
        allow("OperatorSessions", SESSIONS, "*"),
        allow("ReadCertificate", "secretsmanager:GetSecretValue", certificates),
    ]
    return document(statements)


def bounded_secrets(stack: str) -> str:
    """Return the names of the secrets that a role of `stack`, or of OF_TESTS, can get to under its boundary."""
    return f"eps-dos-api/{stack}/*"


def role_arn(role: str, account_id: str, partition: str) -> str:
    """Return the ARN of `role`, which is one already or the name of a role of the account deployed to."""
    return role if role.startswith("arn:") else f"arn:{partition}:iam::{account_id}:role/{role}"


def _reader_arn(reader: str, account_id: str, partition: str) -> str:
    return reader if reader.startswith("arn:") else role_arn(service_role_name(reader), account_id, partition)


def _granted_to(
    sid: str, role_arns: Sequence[str], partition: str, actions: Sequence[str], resource: str
) -> list[Statement]:
    """Return a statement per account, so that an account never vouches for a role of another's."""
    by_account: dict[str, list[str]] = {}
    for arn in role_arns:
        by_account.setdefault(arn.split(":")[4], []).append(arn)
    return [
        allow(
            f"{sid}{account}",
            actions,
            resource,
            Principal=_account(account, partition),
            Condition={"ArnEquals": {"aws:PrincipalArn": sorted(arns)}},
        )
        for account, arns in sorted(by_account.items())
    ]


def _supplier_statements(area: SupplierArea, bucket_arn: str, partition: str) -> list[Statement]:
    # A Sid holds letters and digits only.
    sid = "Supplier" + "".join(character for character in area.prefix.title() if character.isalnum())
    principal = _account(area.account_id, partition)
    below = {"StringLike": {"s3:prefix": f"{area.prefix}*"}}
    return [
        allow(f"{sid}List", "s3:ListBucket", bucket_arn, Principal=principal, Condition=below),
        allow(f"{sid}Write", WRITE_OBJECTS, f"{bucket_arn}/{area.prefix}*", Principal=principal),
    ]


def _account(account_id: str, partition: str) -> dict[str, str]:
    return {"AWS": f"arn:{partition}:iam::{account_id}:root"}


def bucket_arns(bucket: str, partition: str) -> tuple[str, str]:
    """Return the ARN of a bucket, and that of all its objects."""
    return f"arn:{partition}:s3:::{bucket}", f"arn:{partition}:s3:::{bucket}/*"


def document(statements: list[Statement]) -> Document:
    """Return the policy document of `statements`."""
    return {"Version": "2012-10-17", "Statement": statements}
