"""An empty account lacks everything by name; each remedy, once followed, makes its line pass."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra import access
from infra.capacity import room_for_clients
from infra.environment import AwsPlan, Environment
from infra.errors import ConfigError
from infra.recording import record
from ops.aws.clients import Aws
from ops.aws.quotas import ADDRESSES, CPUS, NETWORKS, RULES
from ops.output.report import Check
from ops.preflight import account
from ops.preflight.command import _one, _resolver, backend_of, check_backend, check_secrets_provider
from ops.stacks.place import Place
from tests.infra.sample import environment

ENVIRONMENT = environment("live")
SERVERS = ["ns-1.example.", "NS-2.example"]


@pytest.fixture
def aws(moto_account: None, tmp_path: Path) -> Aws:
    """An account that has nothing yet, as moto plays it."""
    at = Place(
        folder=tmp_path, checkout=tmp_path, cli=tmp_path, version="", in_lab=False, check_endpoint=lambda one: one
    )
    return Aws(AwsPlan(region="eu-west-2"), at)


def verdict(check: Check | None) -> str:
    assert check is not None
    return check.verdict


def test_who_asks_is_told_and_another_account_than_allowed_is_refused(aws: Aws) -> None:
    assert verdict(account.check_identity(aws, ENVIRONMENT)) == "ok"
    held = replace(ENVIRONMENT, aws=AwsPlan(region="eu-west-2", allowed_account_ids=("999999999999",)))
    refused = account.check_identity(aws, held)
    assert refused.verdict == "failed"
    assert "is in account 123456789012; allowed: 999999999999; fix: " in refused.evidence


def test_live_must_name_its_accounts_outside_the_lab() -> None:
    missing = account.check_allowed_accounts(ENVIRONMENT, "123456789012", in_lab=False)
    assert verdict(missing) == "failed"
    assert missing is not None
    # Pulumi takes --type or --plaintext, not both.
    assert missing.evidence.endswith(
        "fix: pulumi config set --path 'aws:allowedAccountIds[0]' 123456789012 --type string --stack live"
    )
    assert account.check_allowed_accounts(ENVIRONMENT, "123456789012", in_lab=True) is None
    assert account.check_allowed_accounts(environment("dev"), "123456789012", in_lab=False) is None


def test_the_permissions_boundary_is_there_is_the_program_s_and_lets_the_instances_at_theirs(aws: Aws) -> None:
    def checked(sample: Environment = ENVIRONMENT) -> Check:
        return account.check_boundary(aws, sample, "123456789012", "aws")

    arn = access.boundary_arn(ENVIRONMENT, "123456789012", "aws")
    assert f"there is no policy {arn}; fix: eps-dos preflight --template > account.json &&" in checked().evidence
    own = access.boundary("live", ENVIRONMENT.dataset.bucket, "aws")
    aws.iam.create_policy(PolicyName=access.boundary_name("live"), PolicyDocument=access.as_json(own))
    assert checked().verdict == "ok"
    theirs_arn = "arn:aws:secretsmanager:eu-west-2:123456789012:secret:eps-dos-api/nft/certificate-a1b2c3"
    another = replace(ENVIRONMENT, service=replace(ENVIRONMENT.service, certificate_secret_arn=theirs_arn))
    assert f"can't get to {theirs_arn}; allowed: eps-dos-api/live/*" in checked(another).evidence
    wider: access.Document = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
    }
    aws.iam.create_policy_version(PolicyArn=arn, PolicyDocument=access.as_json(wider), SetAsDefault=True)
    assert f"{arn} (v2) is not what the program needs at most; fix: " in checked().evidence
    limit = "arn:aws:iam::123456789012:policy/limit"
    theirs = replace(another, permissions_boundary_arn=limit)
    assert checked(theirs).evidence == f"there is no policy {limit}; fix: ask the organisation for it"
    aws.iam.create_policy(PolicyName="limit", PolicyDocument=access.as_json(wider))
    assert checked(theirs).verdict == "ok"


def zone_checks(aws: Aws, resolved: Any) -> dict[str, Check]:
    return {one.name: one for one in account.check_zone(aws, ENVIRONMENT, resolved)}


def test_the_zone_is_there_once_and_the_world_is_led_to_it(aws: Aws) -> None:
    missing = zone_checks(aws, lambda _: [])["hosted zone"]
    assert "fix: aws route53 create-hosted-zone --name eps.digital.nhs.uk" in missing.evidence
    made = aws.route53.create_hosted_zone(Name="eps.digital.nhs.uk", CallerReference="1")
    servers = made["DelegationSet"]["NameServers"]
    assert verdict(zone_checks(aws, lambda _: [one.upper() + "." for one in servers])["delegation"]) == "ok"
    elsewhere = zone_checks(aws, lambda _: SERVERS)["delegation"]
    assert elsewhere.verdict == "failed"
    assert all(one in elsewhere.evidence for one in servers)

    def nobody(_: str) -> list[str]:
        raise OSError("timed out")

    assert verdict(zone_checks(aws, nobody)["delegation"]) == "not checked"
    assert verdict(zone_checks(aws, None)["delegation"]) == "not checked"
    aws.route53.create_hosted_zone(Name="eps.digital.nhs.uk", CallerReference="2")
    assert "there are 2 public zones" in zone_checks(aws, lambda _: servers)["hosted zone"].evidence


@pytest.mark.parametrize(
    ("instance_type", "expected", "words"),
    [
        ("m5.large", "ok", "(x86_64)"),
        ("c7g.large", "failed", "is for x86_64; c7g.large runs arm64; fix: build it for arm64"),
    ],
)
def test_the_image_is_there_and_fits_the_instances(aws: Aws, instance_type: str, expected: str, words: str) -> None:
    sample = replace(ENVIRONMENT, service=replace(ENVIRONMENT.service, instance_type=instance_type))
    assert "self has no image eps-dos-api-1.4.0" in account.check_image(aws, sample).evidence
    named = replace(sample.service, image_name="mine")
    made = aws.ec2.register_image(Name="mine", RootDeviceName="/dev/xvda")["ImageId"]
    aws.ec2.disable_image(ImageId=made)
    disabled = account.check_image(aws, replace(sample, service=named)).evidence
    assert disabled.startswith(
        f"the image mine of self is disabled ({made}); fix: build release 1.4.0 as an image of a new"
    )
    # One that moto has of itself; those that are registered get no architecture there.
    there = next(one for one in aws.ec2.describe_images()["Images"] if one.get("Architecture") == "x86_64")
    service = replace(sample.service, image_name=there["Name"], image_owner=there["OwnerId"])
    found = account.check_image(aws, replace(sample, service=service))
    assert found.verdict == expected
    assert words in found.evidence


@pytest.mark.parametrize(
    ("instance_type", "said"),
    [
        ("c7g.large", "c7g.large is offered in eu-west-2a, eu-west-2b, eu-west-2c"),
        ("g5.xlarge", "g5.xlarge is not offered in eu-west-2c, only in eu-west-2a, eu-west-2b; fix: another type"),
        ("x9.large", "x9.large is not offered in eu-west-2a, eu-west-2b, eu-west-2c, only in no zone of the region"),
    ],
)
def test_every_zone_offers_the_instance_type(aws: Aws, instance_type: str, said: str) -> None:
    sample = replace(ENVIRONMENT, service=replace(ENVIRONMENT.service, instance_type=instance_type))
    assert account.check_instance_type(aws, sample).evidence.startswith(said)


def test_the_certificates_secret_is_there_and_stays(aws: Aws) -> None:
    assert "no secret is named" in account.check_certificate(aws, ENVIRONMENT).evidence
    made = aws.secretsmanager.create_secret(Name="certificate", SecretString="{}")["ARN"]

    def check(arn: str) -> Check:
        service = replace(ENVIRONMENT.service, certificate_secret_arn=arn)
        return account.check_certificate(aws, replace(ENVIRONMENT, service=service))

    assert verdict(check(made)) == "ok"
    assert verdict(check(f"{made[:-7]}-other")) == "failed"
    own_key = aws.secretsmanager.create_secret(Name="own", SecretString="{}", KmsKeyId="alias/ours")["ARN"]
    assert "is encrypted with alias/ours, and instances have no kms:Decrypt" in check(own_key).evidence
    assert "fix: encrypt it with AWS's own key: aws secretsmanager update-secret" in check(own_key).evidence
    aws.secretsmanager.delete_secret(SecretId=made)
    assert "about to be deleted; fix: aws secretsmanager restore-secret" in check(made).evidence


def test_what_an_environment_takes_is_counted_from_the_program() -> None:
    # Six instances at most, and a tenth beside them during a rollout; a prefix list counts as its maximum.
    assert account.needs(ENVIRONMENT, record(ENVIRONMENT), vcpus_each=2) == {
        ADDRESSES: 3,
        NETWORKS: 1,
        RULES: 50,
        CPUS: 14,
    }


def test_more_clients_than_a_security_group_holds_are_asked_of_the_account(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    # moto has no quotas of EC2 and VPC.
    monkeypatch.setattr(aws.service_quotas, "get_service_quota", lambda **_: {"Quota": {"Value": 60.0}})
    room = room_for_clients(62)
    assert room == 70
    sample = replace(ENVIRONMENT, clients=replace(ENVIRONMENT.clients, max_entries=room))
    checks = {check.name: check for check in account.check_quotas(aws, sample, record(sample))}
    rules = checks["quota: rules of a security group"]
    assert rules.verdict == "failed"
    assert "70 needed, 0 used by others, 60 allowed; fix: aws service-quotas request-service-quota-increase" in (
        rules.evidence
    )
    assert "--quota-code L-0EA8095F --desired-value 70" in rules.evidence


def test_a_network_that_overlaps_is_named_and_the_environments_own_is_not(aws: Aws) -> None:
    assert verdict(account.check_ranges(aws, ENVIRONMENT)) == "ok"
    vpc = aws.ec2.create_vpc(CidrBlock="10.20.64.0/18")["Vpc"]["VpcId"]
    overlapping = account.check_ranges(aws, ENVIRONMENT)
    assert f"10.20.0.0/16 overlaps: {vpc} has 10.20.64.0/18; fix: " in overlapping.evidence
    tags: Any = [{"Key": key, "Value": ENVIRONMENT.tags[key]} for key in ("Project", "Environment")]
    aws.ec2.create_tags(Resources=[vpc], Tags=tags)
    assert verdict(account.check_ranges(aws, ENVIRONMENT)) == "ok"


def test_states_are_kept_in_the_bucket_that_workflows_have_rights_to(aws: Aws) -> None:
    def checked(url: str | None) -> Check:
        return check_backend(url, aws, "states", in_lab=False)

    remedy = "fix: pulumi login 's3://states?region=eu-west-2'"
    assert checked(None).evidence == f"nobody is logged in to one; {remedy}"
    assert checked("file:///home/somebody").evidence == f"a folder of this machine, which nobody else has; {remedy}"
    assert verdict(checked("https://app.pulumi.com/team")) == "ok"
    assert checked("s3://others?region=eu-west-2").evidence.endswith(f"workflows have rights to; {remedy}")
    assert verdict(checked("s3://states?region=eu-west-2")) == "ok"


def test_an_emulator_s_bucket_is_logged_in_to_with_its_endpoint() -> None:
    assert backend_of("states", "eu-west-2", "http://127.0.0.1:5000") == (
        "s3://states?region=eu-west-2&endpoint=http://127.0.0.1:5000&s3ForcePathStyle=true"
    )


KEPT = "secretsprovider: awskms://alias/a?region=eu-west-2\n"


@pytest.mark.parametrize(
    ("written", "url", "is_there", "words"),
    [
        (KEPT, "s3://states", True, None),
        ("", "https://app.pulumi.com/team", False, None),
        (
            "encryptionsalt: v1:abc\n",
            "s3://states",
            True,
            "a passphrase; fix: pulumi stack change-secrets-provider --stack live 'awskms://alias/a",
        ),
        ("secretsprovider: passphrase\n", "s3://states", True, "change-secrets-provider --stack live 'awskms://alias/"),
        (KEPT, "s3://states", False, "the stack isn't there yet; fix: pulumi stack init live"),
        ("", None, False, "pulumi stack init live --secrets-provider 'awskms://alias/a?region=eu-west-2'"),
    ],
)
def test_secrets_are_kept_by_a_key_that_is_not_in_somebodys_head(
    aws: Aws, tmp_path: Path, written: str, url: str | None, is_there: bool, words: str | None
) -> None:
    (tmp_path / "Pulumi.live.yaml").write_text(f"{written}config: {{}}\n")
    check = check_secrets_provider(tmp_path, "live", url, aws, "alias/a", in_lab=False, is_there=is_there)
    assert verdict(check) == ("ok" if words is None else "failed")
    assert words is None or words in check.evidence


@pytest.mark.parametrize("stacks", [[], ["live", "nft"]])
def test_one_stack_is_looked_at(stacks: list[str]) -> None:
    with pytest.raises(ConfigError, match="allowed: one, or --template"):
        _one(stacks)


@pytest.mark.parametrize("written", ["192.0.2.53:x", "example.org", ""])
def test_a_resolver_is_an_address(written: str) -> None:
    with pytest.raises(ConfigError, match="--resolver"):
        _resolver(written)


def test_a_resolver_has_a_port_or_the_usual_one() -> None:
    assert _resolver("127.0.0.1:5353") == ("127.0.0.1", 5353)
    assert _resolver("192.0.2.53") == ("192.0.2.53", 53)
    assert _resolver("2001:db8::53") == ("2001:db8::53", 53)
