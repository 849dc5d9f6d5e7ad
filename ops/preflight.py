"""`eps-dos preflight STACK`: what real AWS still needs before the first `up`, in the order in which it is made.

Each line that fails ends with the command that mends it. Left out: making any of it but the bucket of states
(`eps-dos backend init`), because an account's owner decides it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer
from botocore.exceptions import BotoCoreError, ClientError

from infra.deciding import load_environment
from infra.naming import check_stack_name
from infra.yamlfile import read_mapping
from ops.lab import InLab, place
from ops.place import Place, project_folder
from ops.progress import progress, say
from ops.report import Check, Report, as_json, show

if TYPE_CHECKING:
    from infra.environment import Environment
    from ops.aws import Aws

KEPT_SECRET = ("awskms", "azurekeyvault", "gcpkms", "hashivault")
"""Schemes of secrets providers whose key is somewhere safe (Pulumi, secrets handling)."""


def preflight(
    stack: Annotated[str, typer.Argument(help="The environment: live, nft, int, dev.", metavar="STACK")],
    in_lab: InLab = False,
    policy: Annotated[
        bool, typer.Option("--policy", help="Print the IAM policy that the deploying role needs, and nothing else.")
    ] = False,
    for_programs: Annotated[bool, typer.Option("--json", help="Print the checks as JSON.")] = False,
) -> None:
    """Say what account and backend lack before the first `pulumi up` of STACK. Exits 1 if they lack anything."""
    check_stack_name(stack)
    environment = load_environment(stack, project_folder(Path.cwd()))
    at = place(in_lab)
    # Slow to load, and not needed to say what is wrong with a configuration.
    from ops.aws import Aws

    aws = Aws(environment.aws, at)
    if policy:
        typer.echo(json.dumps(_policy(aws, environment), indent=2))
        return
    with progress(f"{stack}: looking at the account") as tell:
        checks = []
        for check in _checks(aws, environment, at):
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


def check_backend(url: str, aws: Aws, *, in_lab: bool) -> Check:
    """States are kept where a team can reach them, and where one that was overwritten can be had back."""
    from ops.backend_bucket import missing
    from ops.preflight_account import lacking, ok

    name, remedy = "state backend", "eps-dos backend init --bucket NAME, then pulumi login with the URL that it prints"
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
        return lacking(name, f"{bucket} is not {', not '.join(lacks)}", f"eps-dos backend init --bucket {bucket}")
    return ok(name, f"{bucket}, versioned, encrypted, private, TLS only")


def check_secrets_provider(folder: Path, stack: str, url: str, *, in_lab: bool) -> Check:
    """Secrets of the state are encrypted with a key that isn't in somebody's head."""
    from ops.preflight_account import lacking, ok

    name = "secrets provider"
    written = str(read_mapping(folder / f"Pulumi.{stack}.yaml").get("secretsprovider", ""))
    if written.split(":")[0] in KEPT_SECRET:
        return ok(name, written)
    if in_lab:
        return ok(name, "the lab's passphrase, which keeps no secrets")
    if urlsplit(url).scheme in {"http", "https"}:
        return ok(name, "Pulumi Cloud's own")
    there = written or "a passphrase"
    command = (
        f"pulumi stack init {stack} --secrets-provider 'awskms://alias/ALIAS?region=eu-west-2', "
        "or, if it is there: pulumi stack change-secrets-provider"
    )
    return lacking(name, there, command)


def _checks(aws: Aws, environment: Environment, at: Place) -> Iterator[Check]:
    from infra.recording import record
    from ops import preflight_account as account
    from ops.preflight_dns import name_servers
    from ops.release_look import backend_url

    identity = account.check_identity(aws, environment)
    yield identity
    if identity.verdict == "failed":
        # Whatever else is asked would be refused for the same reason.
        return
    caller = aws.sts.get_caller_identity()
    if held := account.check_allowed_accounts(environment, caller["Account"], in_lab=at.in_lab):
        yield held
    url = backend_url(at)
    yield _asked("state backend", lambda: check_backend(url, aws, in_lab=at.in_lab))
    yield check_secrets_provider(at.checkout, environment.name, url, in_lab=at.in_lab)
    try:
        yield from account.check_zone(aws, environment, None if at.in_lab else name_servers)
    except (BotoCoreError, ClientError) as error:
        yield _unasked("hosted zone", error)
    yield _asked("image", lambda: account.check_image(aws, environment))
    yield _asked("certificate", lambda: account.check_certificate(aws, environment))
    planned = record(environment)
    try:
        yield from account.check_quotas(aws, environment, planned)
    except (BotoCoreError, ClientError) as error:
        yield _unasked("quotas", error)
    yield _asked("range", lambda: account.check_ranges(aws, environment))


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
    from infra.deploying_role import policy as deploying_policy
    from infra.recording import record

    caller = aws.sts.get_caller_identity()
    partition = caller["Arn"].split(":")[1]
    return deploying_policy(record(environment), environment.aws, environment.dataset, caller["Account"], partition)
