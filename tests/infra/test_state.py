"""A state that the program left may be used; one that somebody armed is refused, and each swap is named."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from infra.environment import AwsPlan
from infra.state import ArmedStateError, check_state

VERSION = "7.51.1"
ROLE = "arn:aws:iam::123456789012:role/deploy"
AWS = AwsPlan(region="eu-west-2", allowed_account_ids=("123456789012",), profile="nhs", assume_role_arns=(ROLE,))
BASE = "urn:pulumi:live::eps-dos-api::"
AWS_PROVIDER = f"{BASE}pulumi:providers:aws::aws"
OWN_PROVIDER = f"{BASE}pulumi:providers:eps-dos::eps-dos"

Resource = dict[str, Any]


def resource(type_: str, name: str, parents: str = "", **fields: Any) -> Resource:
    """Return a resource as a state has it."""
    return {"urn": f"{BASE}{parents}{type_}::{name}", "type": type_, **fields}


def sample() -> dict[str, Any]:
    """Return what `pulumi stack export` prints of a stack as the engine leaves it (taken from the lab, shortened)."""
    configured = {
        "region": "eu-west-2",
        "allowedAccountIds": '["123456789012"]',
        "profile": "nhs",
        "assumeRoles": f'[{{"roleArn":"{ROLE}"}}]',
        "ignoreTags": '{"keys":["Backup"]}',
        "skipCredentialsValidation": "false",
        "skipRegionValidation": "true",
        "version": VERSION,
    }
    own = {key: configured[key] for key in ("region", "profile", "assumeRoles")}
    return {
        "version": 3,
        "deployment": {
            "manifest": {"version": "v3.274.1"},
            "secrets_providers": {"type": "passphrase", "state": {"salt": "v1:x"}},
            "metadata": {},
            "pending_operations": [],
            "resources": [
                resource("pulumi:pulumi:Stack", "eps-dos-api-live", custom=False),
                resource(
                    "pulumi:providers:aws",
                    "aws",
                    custom=True,
                    inputs={"__internal": {}, **configured},
                    outputs=configured,
                ),
                resource("pulumi:providers:eps-dos", "eps-dos", custom=True, inputs=own, outputs=own),
                resource("eps-dos-api:infra:Network", "live", custom=False),
                resource(
                    "aws:ec2/vpc:Vpc",
                    "live-vpc",
                    "eps-dos-api:infra:Network$",
                    custom=True,
                    provider=f"{AWS_PROVIDER}::id",
                ),
                resource(
                    "eps-dos:index:Rollout",
                    "live-rollout",
                    custom=True,
                    inputs={"release": "1.4.0"},
                    provider=f"{OWN_PROVIDER}::id",
                ),
            ],
        },
    }


def of_type(state: dict[str, Any], type_: str) -> Resource:
    """Return the one resource of a type."""
    (only,) = (one for one in state["deployment"]["resources"] if one["type"] == type_)
    assert isinstance(only, dict)
    return only


def configure(key: str, value: object, part: str = "inputs", type_: str = "pulumi:providers:aws") -> Any:
    """Return what gives a provider another input."""
    return lambda state: of_type(state, type_).setdefault(part, {}).update({key: value})


def add(*resources: Resource, to: str = "resources") -> Any:
    """Return what puts resources into a state."""
    added = [{"type": "updating", "resource": one} for one in resources] if to == "pending_operations" else resources
    return lambda state: state["deployment"][to].extend(added)


def dynamic(language: str) -> tuple[Resource, Resource]:
    """Return a dynamic resource with code in it, and its provider."""
    kind = f"pulumi-{language}"
    provider = resource(f"pulumi:providers:{kind}", "default", custom=True)
    code = resource(
        f"{kind}:dynamic:Resource",
        "innocent",
        custom=True,
        inputs={"__provider": "gASVKAAAAAAAAACMBXBvc2l4"},
        provider=f"{provider['urn']}::id",
    )
    return provider, code


SWAPS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "endpoints": (configure("endpoints", '[{"sts":"https://example.com"}]'), "has endpoints"),
    "endpoints in outputs": (configure("endpoints", "[]", "outputs"), "has endpoints"),
    "a credentials file": (configure("sharedConfigFiles", '["/tmp/x"]'), "has sharedConfigFiles"),
    "a proxy": (configure("httpsProxy", "http://example.com"), "has httpsProxy"),
    "a key": (configure("secretKey", "not-shown"), "has secretKey"),
    "another region": (configure("region", "us-east-1"), 'has region "us-east-1"; by the stack file: "eu-west-2"'),
    "another account": (configure("allowedAccountIds", '["999999999999"]'), "has allowedAccountIds"),
    "no account": (configure("allowedAccountIds", None), "has allowedAccountIds []"),
    "another profile": (configure("profile", "mine"), 'has profile "mine"'),
    "another role": (configure("assumeRoles", '[{"roleArn":"arn:aws:iam::999999999999:role/x"}]'), "has assumeRoles"),
    "a role with options": (configure("assumeRoles", f'[{{"roleArn":"{ROLE}","externalId":"x"}}]'), "has assumeRoles"),
    "a newer version": (configure("version", "7.52.0"), "has version 7.52.0; allowed: 7.51.1"),
    "a made-up version": (configure("version", "1.0.0-evil"), "has version 1.0.0-evil"),
    "no validation": (configure("skipCredentialsValidation", "true"), "has skipCredentialsValidation true"),
    "pluginDownloadURL": (
        configure("__internal", {"pluginDownloadURL": "https://example.com"}),
        "has pluginDownloadURL in __internal",
    ),
    "pluginDownloadURL of old": (configure("pluginDownloadURL", "https://example.com"), "has pluginDownloadURL"),
    "parameterization": (
        configure("__internal", {"parameterization": {"name": "x"}}),
        "has parameterization in __internal",
    ),
    "own provider, pluginDownloadURL": (
        configure("__internal", {"pluginDownloadURL": "https://example.com"}, type_="pulumi:providers:eps-dos"),
        "pulumi:providers:eps-dos::eps-dos: has pluginDownloadURL in __internal",
    ),
    "own provider, version": (
        configure("version", "1.0.0", type_="pulumi:providers:eps-dos"),
        "pulumi:providers:eps-dos::eps-dos: has version",
    ),
    "another provider": (add(resource("pulumi:providers:command", "x", custom=True)), "is a provider of kind command"),
    "dynamic, Python": (add(*dynamic("python")), "pulumi-python:dynamic:Resource::innocent: carries a provider's code"),
    "dynamic, Node": (add(*dynamic("nodejs")), "pulumi-nodejs:dynamic:Resource::innocent: carries a provider's code"),
    "dynamic, pending": (add(*dynamic("python"), to="pending_operations"), "carries a provider's code"),
    "code in a resource of ours": (configure("__provider", "x", type_="aws:ec2/vpc:Vpc"), "carries a provider's code"),
    "a resource with another's provider": (
        lambda state: of_type(state, "aws:ec2/vpc:Vpc").update(provider=f"{OWN_PROVIDER}::id"),
        "allowed: one of type pulumi:providers:aws",
    ),
    "a type that its URN doesn't say": (
        lambda state: of_type(state, "aws:ec2/vpc:Vpc").update(type="command:local:Command"),
        "which its URN doesn't say",
    ),
    "another program's resource": (
        add(resource("command:local:Command", "x", custom=True, provider="x")),
        "is of type command:local:Command",
    ),
    "a component with a provider": (
        lambda state: of_type(state, "eps-dos-api:infra:Network").update(provider="x"),
        "with a provider of its own",
    ),
    "the rollout's role": (
        configure("assumeRoles", '[{"roleArn":"arn:aws:iam::999999999999:role/x"}]', type_="pulumi:providers:eps-dos"),
        "has assumeRoles",
    ),
    "the rollout's endpoint": (
        configure("endpoints", "https://example.com", type_="pulumi:providers:eps-dos"),
        "has endpoints; allowed: assumeRoles, profile, region",
    ),
    "snippets": (lambda state: state["deployment"].update(snippets=[{"code": "x"}]), "live: snippets is in the state"),
    "extensions": (lambda state: state["deployment"].update(extensions={"x": {}}), "live: extensions is in the state"),
}  # fmt: skip
"""What somebody who may write states could swap, and how the refusal names it."""


def test_the_program_s_own_state_is_used() -> None:
    check_state("live", sample(), AWS, VERSION, program_configures=False)
    check_state("live", {"version": 3, "deployment": None}, AWS, VERSION, program_configures=False)


@pytest.mark.parametrize(("swap", "named"), SWAPS.values(), ids=SWAPS.keys())
def test_a_swap_is_refused_and_named(swap: Callable[[dict[str, Any]], object], named: str) -> None:
    armed = sample()
    swap(armed)
    with pytest.raises(ArmedStateError) as refused:
        check_state("live", armed, AWS, VERSION, program_configures=False)
    assert named in str(refused.value)
    assert "nothing was run" in str(refused.value)
    assert "fix: " in str(refused.value)


def test_a_key_is_not_shown() -> None:
    armed = sample()
    configure("secretKey", "not-shown")(armed)
    with pytest.raises(ArmedStateError) as refused:
        check_state("live", armed, AWS, VERSION, program_configures=False)
    assert "not-shown" not in str(refused.value)


def renamed(state: dict[str, Any], name: str | None = None) -> dict[str, Any]:
    """Return a state whose AWS provider, of that name, has another profile and role than the stack file."""
    provider = of_type(state, "pulumi:providers:aws")
    provider["inputs"] |= {"profile": "former", "assumeRoles": '[{"roleArn":"arn:aws:iam::123456789012:role/former"}]'}
    provider["urn"] = f"{BASE}pulumi:providers:aws::{name or 'aws'}"
    return state


def test_where_the_program_configures_a_provider_an_edited_stack_file_counts() -> None:
    check_state("live", renamed(sample()), AWS, VERSION, program_configures=True)
    with pytest.raises(ArmedStateError, match=r"if Pulumi\.live\.yaml was edited: eps-dos up live"):
        check_state("live", renamed(sample()), AWS, VERSION, program_configures=False)


@pytest.mark.parametrize(
    ("armed", "named"),
    [
        (renamed(sample(), "second"), 'aws::second: has profile "former"'),
        # Of two with one URN the engine would take the state's for what refers to the other's id.
        (add(of_type(renamed(sample()), "pulumi:providers:aws") | {"delete": True}), "has profile"),
        (configure("region", "us-east-1"), 'has region "us-east-1"'),
    ],
    ids=["another provider", "a provider to be deleted", "the region"],
)
def test_what_the_program_does_not_configure_is_the_stack_file_s(armed: Any, named: str) -> None:
    state = armed
    if callable(armed):
        armed(state := sample())
    with pytest.raises(ArmedStateError, match=re.escape(named)):
        check_state("live", state, AWS, VERSION, program_configures=True)


def test_an_own_provider_from_before_it_had_inputs_is_used() -> None:
    before = sample()
    provider = of_type(before, "pulumi:providers:eps-dos")
    del provider["inputs"], provider["outputs"]
    check_state("live", before, AWS, VERSION, program_configures=False)


def test_an_older_version_of_the_provider_waits_for_its_upgrade() -> None:
    before = sample()
    configure("version", "7.50.9")(before)
    check_state("live", before, AWS, VERSION, program_configures=False)
