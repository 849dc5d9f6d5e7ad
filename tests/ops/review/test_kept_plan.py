"""A plan that is kept shows no secret; one that would is not kept."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from ops.output.redaction import Redactor, secrets_of
from ops.review.kept_plan import keep
from tests.ops.review.plans import MARKED_SECRET, SECRET_FORMS


def kept(folder: Path, inputs: dict[str, Any]) -> tuple[str, bool]:
    """Keep a plan whose one resource gets `inputs`; return what was said, and whether it is there."""
    path = folder / "live.plan.json"
    resource = {"goal": {"inputDiff": {"adds": inputs}}, "seed": "GrZ0vPZ3Yy7b0uS6ePp1cQ0dYw1xk2Jm3Tn4Vb5Xc6Q="}
    plan = {"deployment": {"manifest": {"magic": "e3b0c4" * 10}, "resourcePlans": {"urn:pulumi:live::x": resource}}}
    path.write_text(json.dumps(plan))
    return keep(path, Redactor()), path.exists()


def test_a_plan_without_secrets_is_kept_for_its_owner_alone(tmp_path: Path) -> None:
    inputs = {
        "minSize": 3,
        "certificateSecretArn": "arn:aws:secretsmanager:eu-west-2:123456789012:secret:x",
        "policy": '{"a": "b"}',
    }
    assert kept(tmp_path, inputs) == ("", True)
    assert (tmp_path / "live.plan.json").stat().st_mode & 0o777 == 0o600


def test_a_plan_is_kept_whatever_region_a_variable_called_secrets_has(tmp_path: Path) -> None:
    environment = {"SECRETS_REGION": "eu-west-2", "environment": [{"name": "SECRETS_REGION", "value": "eu-west-2"}]}
    assert secrets_of({"SECRETS_REGION": "eu-west-2"}) == []
    assert kept(tmp_path, environment) == ("", True)


@pytest.mark.parametrize(
    "inputs",
    [
        {"environment": [{"name": "dbPassword", "value": "hunter2"}]},
        {"secrets": {"live": {"a": "hunter2"}}},
        {"tags": {"ghp_Zq7Rk2Vb9Xw4Nt6Yp1Lm": "x"}},
        {"userData": base64.b64encode(b"#!/bin/sh\nmysql --password hunter2 -e 'select 1'\n").decode()},
    ],
    ids=str,
)
def test_a_plan_with_a_secret_that_its_place_tells_is_not_kept(tmp_path: Path, inputs: dict[str, Any]) -> None:
    said, there = kept(tmp_path, inputs)
    assert (there, "hunter2" in said, "Zq7Rk2Vb9" in said) == (False, False, False)
    assert f"goal.inputDiff.adds.{next(iter(inputs))}" in said


def test_what_pulumi_encrypts_may_stay(tmp_path: Path) -> None:
    marked = {**MARKED_SECRET, "ciphertext": "v1:q83vEjRWeJCrze8S:0123456789abcdefABCDEFghijklmnopqrstuvWXYZ+/=="}
    assert kept(tmp_path, {"password": marked}) == ("", True)


@pytest.mark.parametrize("form", SECRET_FORMS)
def test_a_plan_that_shows_a_secret_is_not_kept_and_says_where(tmp_path: Path, form: Any) -> None:
    said, there = kept(tmp_path, {"userData": form("Zq7Rk2Vb9Xw4Nt6Yp1Lm")})
    assert not there
    assert "Zq7Rk2Vb9Xw4Nt6Yp1Lm" not in said
    assert "goal.inputDiff.adds.userData" in said


def test_what_cannot_be_searched_is_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "live.plan.json"
    path.write_text("[" * 100_000)
    assert "not kept" in keep(path, Redactor())
    assert not path.exists()
