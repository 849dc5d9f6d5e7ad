"""`eps-dos preflight STACK`: what real AWS still needs before the first `up`, in the order in which it is made.

Each line that fails ends with the command that mends it. Left out: making any of it but the bucket of states
(`eps-dos backend init`), because an account's owner decides it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
from botocore.exceptions import BotoCoreError, ClientError

from infra import access
from infra.deciding import load_environment
from infra.deploying_role import policy as deploying_policy
from infra.environment import Environment
from infra.errors import ConfigError
from infra.naming import check_stack_name
from infra.recording import record
from infra.yamlfile import read_mapping
from ops.aws.clients import Aws, listed
from ops.backend import missing
from ops.lab.entering import InLab, place
from ops.output.progress import progress, say
from ops.output.report import Check, Report, as_json, show
from ops.preflight import account, github
from ops.preflight.account import lacking, ok
from ops.preflight.dns import name_servers
from ops.stacks.engine import PulumiError, StackHandle, backend_url
from ops.stacks.names import StackName
from ops.stacks.place import Place, project_folder

KEPT_SECRET = ("awskms", "azurekeyvault", "gcpkms", "hashivault")
"""Schemes of secrets providers whose key is somewhere safe (Pulumi, secrets handling)."""

KEY = "alias/eps-dos-api-states"
"""The key in KMS that preflight proposes; any other will do."""


def preflight(
    stack: StackName,
    in_lab: InLab = False,
    policy: Annotated[
        bool, typer.Option("--policy", help="Print the IAM policy that the deploying role needs, and nothing else.")
    ] = False,
    boundary: Annotated[
        bool,
        typer.Option("--boundary", help="Print the permissions boundary that roles get, and nothing else."),
    ] = False,
    resolver: Annotated[
        str | None,
        typer.Option(
            "--resolver",
            help="Ask this name server for the delegation, where this machine's own has a view of its own.",
            metavar="ADDRESS[:PORT]",
        ),
    ] = None,
    for_programs: Annotated[bool, typer.Option("--json", help="Print the checks as JSON.")] = False,
) -> None:
    """Say what is lacking before STACK's first `pulumi up`. Exits 1 if anything is.

    Example: eps-dos preflight live
    """
    check_stack_name(stack)
    environment = load_environment(stack, project_folder(Path.cwd()))
    asked = _resolver(resolver)
    at = place(in_lab)

    aws = Aws(environment.aws, at)
    if policy:
        typer.echo(json.dumps(_policy(aws, environment), indent=2))
        return
    if boundary:
        typer.echo(json.dumps(access.boundary(_caller(aws)[1]), indent=2))
        return
    with progress(f"{stack}: looking at the account") as tell:
        checks = []
        for check in _checks(aws, environment, at, asked):
            tell(check.name)
            checks.append(check)
    report = Report(title=f"{stack}, before its first `pulumi up`", checks=tuple(checks))
    if for_programs:
        typer.echo(as_json([report]))
    else:
        if in_lab:
            say("on the lab's AWS: an emulator on this machine, not Amazon's")
        show([report], sys.stdout)
        if report.passed:
            say(f"next: pulumi up --stack {stack}")
    raise typer.Exit(0 if report.passed else 1)


def check_backend(url: str | None, aws: Aws, account_id: str, *, in_lab: bool) -> Check:
    """States are kept where a team can reach them, and where one that was overwritten can be had back.

    `url` is where Pulumi is logged in to; None: nowhere.
    """
    name = "state backend"
    remedy = f'pulumi login "$(eps-dos backend init --bucket eps-dos-api-states-{account_id} --region {aws.region})"'
    if url is None:
        return lacking(name, "nobody is logged in to one", remedy)
    scheme = urlsplit(url).scheme
    if scheme == "file" and in_lab:
        return ok(name, "the lab's own folder; for a team a bucket")
    if scheme == "file":
        return lacking(name, "a folder of this machine, which nobody else has", remedy)
    if scheme != "s3":
        return ok(name, url)
    bucket = urlsplit(url).netloc
    lacks = missing(aws.s3, bucket)
    if lacks:
        return lacking(
            name,
            f"{bucket} is not {', not '.join(lacks)}",
            f"eps-dos backend init --bucket {bucket} --region {aws.region}",
        )
    return ok(name, f"{bucket}, versioned, encrypted, private, TLS only")


def check_secrets_provider(
    folder: Path, stack: str, url: str | None, aws: Aws, *, in_lab: bool, is_there: bool
) -> Check:
    """Secrets of the state are encrypted with a key that isn't in somebody's head.

    `is_there` is whether the backend has the stack already.
    """
    name = "secrets provider"
    written = str(read_mapping(folder / f"Pulumi.{stack}.yaml").get("secretsprovider", ""))
    if written.split(":")[0] in KEPT_SECRET and is_there:
        return ok(name, written)
    if in_lab:
        return ok(name, "the lab's passphrase, which keeps no secrets")
    if url is not None and urlsplit(url).scheme in {"http", "https"}:
        return ok(name, "Pulumi Cloud's own")
    region = f"--region {aws.region}"
    provider = f"'awskms://{KEY}?region={aws.region}'"
    command = (
        f"pulumi stack change-secrets-provider --stack {stack} {provider}"
        if is_there
        else f"pulumi stack init {stack} --secrets-provider {provider}"
    )
    if not _has_key(aws):
        made = f"$(aws kms create-key --query KeyMetadata.KeyId --output text {region})"
        command = f'aws kms create-alias --alias-name {KEY} --target-key-id "{made}" {region} && {command}'
    there = (written or "a passphrase") if is_there else "the stack isn't there yet"
    return lacking(name, there, command)


def _has_key(aws: Aws) -> bool:
    # Only asked outside the lab, so that nobody has to see whom it speaks to.
    return KEY in listed(aws.session.client("kms"), "list_aliases", "Aliases[].AliasName")


def _checks(aws: Aws, environment: Environment, at: Place, resolver: tuple[str, int] | None) -> Iterator[Check]:
    identity = account.check_identity(aws, environment)
    yield identity
    if identity.verdict == "failed":
        # Whatever else is asked would be refused for the same reason.
        return
    account_id = aws.sts.get_caller_identity()["Account"]
    url = _backend_url(at)
    backend = _asked("state backend", lambda: check_backend(url, aws, account_id, in_lab=at.in_lab))
    yield backend
    is_there = url is not None and backend.verdict == "ok" and StackHandle(environment.name, at).exists()
    yield _asked(
        "secrets provider",
        lambda: check_secrets_provider(at.checkout, environment.name, url, aws, in_lab=at.in_lab, is_there=is_there),
    )
    # Pulumi writes settings of stacks only that its backend has: so not before.
    if held := account.check_allowed_accounts(environment, account_id, in_lab=at.in_lab):
        yield held
    yield _asked("permissions boundary", lambda: account.check_boundary(aws, environment, *_caller(aws)))
    try:
        yield from account.check_zone(
            aws, environment, None if at.in_lab else lambda zone: name_servers(zone, resolver)
        )
    except (BotoCoreError, ClientError) as error:
        yield _unasked("hosted zone", error)
    yield _asked("image", lambda: account.check_image(aws, environment))
    yield _asked("instance type", lambda: account.check_instance_type(aws, environment))
    yield _asked("certificate", lambda: account.check_certificate(aws, environment))
    planned = record(environment)
    try:
        yield from account.check_quotas(aws, environment, planned)
    except (BotoCoreError, ClientError) as error:
        yield _unasked("quotas", error)
    yield _asked("range", lambda: account.check_ranges(aws, environment))
    if not at.in_lab:
        yield from github.checks(environment.name, github.by_gh(at.checkout))


def _backend_url(at: Place) -> str | None:
    """Return where stacks are kept; None if nobody is logged in."""
    try:
        return backend_url(at)
    except PulumiError:
        return None


def _resolver(written: str | None) -> tuple[str, int] | None:
    """Return address and port of a name server as the command line has it. Raises ConfigError."""
    if written is None:
        return None
    address, _, port = written.rpartition(":") if written.count(":") == 1 else (written, "", "53")
    try:
        return str(ip_address(address.strip("[]"))), int(port)
    except ValueError:
        raise ConfigError.of(
            "--resolver",
            f"is {written}; allowed: an IP address, with a port after a colon or without",
            "--resolver 192.0.2.53",
        ) from None


def _asked(name: str, ask: Callable[[], Check]) -> Check:
    try:
        return ask()
    except (BotoCoreError, ClientError) as error:
        return _unasked(name, error)


def _unasked(name: str, error: Exception) -> Check:
    # A right that is missing hides what else is.
    evidence = f"AWS can't be asked: {error}; the rights: eps-dos preflight STACK --policy"
    return Check(name=name, verdict="failed", evidence=evidence)


def _policy(aws: Aws, environment: Environment) -> dict[str, object]:
    return deploying_policy(environment, record(environment), *_caller(aws))


def _caller(aws: Aws) -> tuple[str, str]:
    """Return the account and the partition in which somebody is asking."""
    caller = aws.sts.get_caller_identity()
    return caller["Account"], caller["Arn"].split(":")[1]
