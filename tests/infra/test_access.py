"""Who may do what, read from the documents as AWS would."""

from dataclasses import replace

from infra import access
from infra.environment import SupplierArea
from tests.infra.sample import environment, mirror

ACCOUNT = "111122223333"


def _statement(document: access.Document, sid: str) -> access.Statement:
    statements = document["Statement"]
    assert isinstance(statements, list)
    return next(statement for statement in statements if statement.get("Sid") == sid)


def _sids(document: access.Document) -> list[str]:
    statements = document["Statement"]
    assert isinstance(statements, list)
    return [statement["Sid"] for statement in statements]


def test_mirror_may_read_lives_dataset_and_is_denied_everything_else_on_it() -> None:
    nft = mirror()
    permissions = access.service_permissions(nft.service, nft.dataset, "nft", "aws", "arn:aws:logs:::g")
    denied = _statement(permissions, "NeverWriteDataset")
    assert denied["Effect"] == "Deny"
    assert denied["Resource"] == ["arn:aws:s3:::eps-dos-api-live-dataset", "arn:aws:s3:::eps-dos-api-live-dataset/*"]
    assert "s3:PutObject" not in denied["NotAction"]  # type: ignore[operator]  # a list of actions
    assert _statement(permissions, "ReadDataset")["Action"] == ["s3:GetObject", "s3:GetObjectVersion"]


def test_without_a_certificate_the_role_may_read_no_secret() -> None:
    live = environment()
    permissions = access.service_permissions(live.service, live.dataset, "live", "aws", "arn:aws:logs:::g")
    assert "ReadCertificate" not in _sids(permissions)


def test_with_a_certificate_the_role_may_read_that_one_secret() -> None:
    arn = "arn:aws:secretsmanager:eu-west-2:111122223333:secret:dos-abc"
    live = environment()
    service = replace(live.service, certificate_secret_arn=arn)
    permissions = access.service_permissions(service, live.dataset, "live", "aws", "arn:aws:logs:::g")
    assert _statement(permissions, "ReadCertificate")["Resource"] == arn


def test_every_bucket_policy_refuses_plain_http_first() -> None:
    policy = access.dataset_policy(environment().dataset, ACCOUNT, "aws")
    assert _sids(policy) == ["TlsOnly"]
    assert _statement(policy, "TlsOnly")["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_a_reading_environment_is_given_as_account_and_condition_since_its_role_may_not_exist_yet() -> None:
    dataset = replace(environment().dataset, reader_roles=("nft",))
    policy = access.dataset_policy(dataset, ACCOUNT, "aws")
    granted = _statement(policy, f"ReadersObjects{ACCOUNT}")
    role = f"arn:aws:iam::{ACCOUNT}:role/eps-dos-api-nft-service"
    assert granted["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    assert granted["Condition"] == {"ArnEquals": {"aws:PrincipalArn": [role]}}
    assert _statement(policy, "ReadersNeverWrite")["Condition"] == {"ArnEquals": {"aws:PrincipalArn": [role]}}


def test_each_account_vouches_for_its_own_roles_only() -> None:
    other = "arn:aws:iam::444455556666:role/reader"
    dataset = replace(environment().dataset, reader_roles=("nft", other))
    granted = _statement(access.dataset_policy(dataset, ACCOUNT, "aws"), "Readers444455556666")
    assert granted["Principal"] == {"AWS": "arn:aws:iam::444455556666:root"}
    assert granted["Condition"] == {"ArnEquals": {"aws:PrincipalArn": [other]}}


def test_operators_write_but_never_remove_a_version() -> None:
    dataset = replace(environment("int").dataset, operator_role_arns=("operators",))
    granted = _statement(access.dataset_policy(dataset, ACCOUNT, "aws"), f"OperatorsObjects{ACCOUNT}")
    assert "s3:PutObject" in granted["Action"]  # type: ignore[operator]  # a list of actions
    assert "s3:DeleteObjectVersion" not in granted["Action"]  # type: ignore[operator]  # a list of actions


def test_a_supplier_writes_under_its_own_prefix_only() -> None:
    area = SupplierArea(supplier="Example Ltd", account_id="777788889999", prefix="suppliers/example-ltd/")
    policy = access.dataset_policy(replace(environment("dev").dataset, supplier_areas=(area,)), ACCOUNT, "aws")
    written = _statement(policy, "SupplierSuppliersExampleLtdWrite")
    assert written["Resource"] == "arn:aws:s3:::eps-dos-api-dev-dataset/suppliers/example-ltd/*"
    listed = _statement(policy, "SupplierSuppliersExampleLtdList")
    assert listed["Condition"] == {"StringLike": {"s3:prefix": "suppliers/example-ltd/*"}}


def test_flow_logs_of_another_account_cannot_take_on_the_role() -> None:
    document = access.flow_log_trust(ACCOUNT)
    assert document["Statement"] == [
        {
            "Effect": "Allow",
            "Principal": {"Service": "vpc-flow-logs.amazonaws.com"},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}},
        }
    ]


def test_equal_documents_are_equal_strings() -> None:
    assert access.as_json({"b": 1, "a": [2]}) == access.as_json({"a": [2], "b": 1})
