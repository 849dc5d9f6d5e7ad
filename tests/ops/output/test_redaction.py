"""Secrets are hidden wherever they stand; what a reviewer has to see isn't."""

from __future__ import annotations

import base64
import random
import string
import time

import pytest

from infra.graph import SECRET
from infra.recording import record
from ops.output.redaction import HIDDEN, LONGEST_SCANNED, Redactor, secrets_of
from ops.output.shown import shown
from ops.review.values import readable
from tests.infra.sample import environment
from tests.ops.review.plans import SECRET_FORMS

CORE = "Zq7Rk2Vb9Xw4Nt6Yp1Lm"


@pytest.mark.parametrize("form", SECRET_FORMS)
@pytest.mark.parametrize("around", ["{}", "before {} after", "a\n{}\nb", "`{}`", '"{}"', "x={}"])
def test_each_form_of_a_secret_is_hidden_wherever_it_stands(form: object, around: str) -> None:
    text = around.format(form(CORE))  # type: ignore[operator]  # a function from text to text
    shown = Redactor().text(text)
    assert CORE not in shown
    assert CORE.upper()[:16] not in shown
    assert HIDDEN in shown


def test_random_keys_of_no_known_format_are_hidden() -> None:
    """AWS's secret access keys have 40 random characters and no mark; at least 99 of 100 such are found."""
    pick = random.Random(1)  # noqa: S311 - keys to test with, made again from the seed
    keys = ["".join(pick.choices(string.ascii_letters + string.digits + "+/", k=40)) for _ in range(1_000)]
    redactor = Redactor()
    assert sum(redactor.text(key) != key for key in keys) >= 990


@pytest.mark.parametrize("name", ["password", "masterPassword", "db_password", "clientSecret", "authToken", "apiKey",
                                  "API-Key", "secretString", "privateKey", "credentials",
                                  "connectionString"])  # fmt: skip
def test_what_a_secret_name_holds_is_hidden(name: str) -> None:
    assert Redactor().value("hunter2!", name) is SECRET
    assert Redactor().value({name: "hunter2!"}) == {name: SECRET}
    assert Redactor().value({name: ["hunter2!"]}) == {name: [SECRET]}
    assert Redactor().value(4711, name) is SECRET


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("certificateSecretArn", "arn:aws:secretsmanager:eu-west-2:123456789012:secret:eps-dos-api/live-a1B2c3"),
        ("secret", "arn:aws:secretsmanager:eu-west-2:123456789012:secret:eps-dos-api/live-a1B2c3"),
        ("httpTokens", "required"),
        ("passwordReset", "allowed"),
        ("token", ""),
        ("tokens", "optional"),
    ],
)
def test_what_only_names_a_secret_is_shown(name: str, value: str) -> None:
    assert Redactor().value(value, name) == value


@pytest.mark.parametrize(
    "text",
    [
        "arn:aws:elasticloadbalancing:eu-west-2:123456789012:loadbalancer/net/nft-lb-14afb09/5805555e7cc45190",
        "urn:pulumi:live::eps-dos-api::eps-dos-api:infra:LoadBalancer$aws:lb/loadBalancer:LoadBalancer::live-lb",
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        "live-lb-14afb09-5805555e7cc45190.elb.eu-west-2.amazonaws.com",
        "eipalloc-2a36df91020e41c95",
        "arn:aws:autoscaling:eu-west-2:123456789012:autoScalingGroup:a30120a5-bf00-4c5b-bff4-9d5c73cf69a4:"
        "autoScalingGroupName/int-service-b5b2337",
        "targetgroup/int-tg-87d3f73/53844eb07a42f1b6",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        'ALARM("live-empty-eu-west-2a-e343845") AND ALARM("live-empty-eu-west-2b-165fa00")',
        "The token is required, and the password is not shown here.",
        "2026-11-23T22:10:00.123456+00:00",
    ],
)
def test_what_a_reviewer_has_to_see_is_shown(text: str) -> None:
    assert Redactor().text(text) == text


def test_nothing_of_the_whole_program_is_hidden() -> None:
    """Otherwise a reviewer would learn to overlook what is."""
    hidden = [
        (resource.urn, name)
        for resource in record(environment())
        for name, value in resource.inputs.items()
        if Redactor().value(readable(value), name) != readable(value) or Redactor().text(resource.urn) != resource.urn
    ]
    assert hidden == []


def test_a_secret_in_base64_is_hidden_and_what_stands_beside_it_is_shown() -> None:
    encoded = base64.b64encode(b"user=app password=hunter2!").decode()
    assert Redactor().text(encoded) == f"user=app password={HIDDEN}"


def test_what_lies_in_or_beside_what_is_called_a_secret_is_hidden() -> None:
    assert Redactor().value({"secrets": {"live": {"a": ["hunter2", 4711]}, "region": "eu-west-2"}}) == {
        "secrets": {"live": {"a": [SECRET, SECRET]}, "region": "eu-west-2"}
    }
    environment = [{"name": "dbPassword", "value": "hunter2"}, {"name": "SECRETS_REGION", "value": "eu-west-2"}]
    assert Redactor().value(environment) == [{"name": "dbPassword", "value": SECRET}, environment[1]]


def test_a_key_of_a_mapping_is_a_text_like_others() -> None:
    assert Redactor().value({f"ghp_{CORE}{CORE}": 1, "region": 2}) == {HIDDEN: 1, "region": 2}


@pytest.mark.parametrize("name", ["codeSha256", "versionId", "etag", "nextToken", "publicKeyFingerprint"])
def test_what_is_random_and_for_everybody_is_shown(name: str) -> None:
    digest = "YFgDgEKG3ugvF1+pX64gV6tu9qNuIYNUdgJm8nCxsm4="
    assert (Redactor().value(digest, name), Redactor().value(digest, "text")) == (digest, HIDDEN)


def test_a_hidden_part_of_a_long_text_leaves_its_length_and_digest_to_tell_it_by() -> None:
    """Two long texts that differ in their secret alone are shown alike; which is which is not for a reader to learn."""
    first, second = (shown(f"{'word ' * 60}password={secret}", Redactor()).text for secret in ("hunter2", "hunter3"))
    assert first == second
    assert "SHA-256" in first


def test_secrets_of_a_process_are_its_variables_that_hold_some() -> None:
    environment = {
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI", "PULUMI_CONFIG_PASSPHRASE": "tiger tiger",
        "SECRET_KEY_BASE": "aB3$x9", "TOKEN_GITHUB": "ghp_1", "DB_PASS": "x",
        "SECRETS_REGION": "eu-west-2", "SECRETS_PROVIDER": "awskms", "TOKEN_URL": "https://sts.example.org/x",
        "PULUMI_CONFIG_PASSPHRASE_FILE": "/run/passphrase", "TOKEN_TTL": "3600", "SECRET_ARN": "arn:aws:x:y:z:a",
        "PATH": "/usr/bin", "EMPTY_TOKEN": "",
    }  # fmt: skip
    assert secrets_of(environment) == ["wJalrXUtnFEMI", "tiger tiger", "aB3$x9", "ghp_1", "x"]


def test_what_the_process_itself_holds_is_hidden_whatever_it_looks_like() -> None:
    redactor = Redactor(["correct horse battery", "short"])
    assert redactor.text("it says: correct horse battery!") == f"it says: {HIDDEN}!"
    assert redactor.text("it says: correct%20horse\\u0020battery!") == f"it says: {HIDDEN}!"
    assert redactor.text("a short one") == "a short one"


@pytest.mark.parametrize(
    "unit", ["A", "-", "eyJ", "eyJ-", "a_", 'password="', "password='", " ", "://a:", "-----BEGIN PRIVATE KEY-----",
             "Bearer ", "SG.", "=", "token", "AKIA", "{", "a1B"]
)  # fmt: skip
def test_searching_takes_no_longer_than_the_text_is_long(unit: str) -> None:
    """Eight times the text: eight times the time, and not the 64 times of a pattern that starts over at each letter."""

    def seconds(length: int) -> float:
        shortest = float("inf")
        for ending in "!?.":  # what was searched once is remembered
            text = (unit * length)[: length - 1] + ending
            started = time.process_time()
            Redactor().text(text)
            shortest = min(shortest, time.process_time() - started)
        return shortest

    assert seconds(LONGEST_SCANNED) < 30 * seconds(LONGEST_SCANNED // 8)
