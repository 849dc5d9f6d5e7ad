"""`eps-dos preflight STACK`: what real AWS still needs before the first `up`, in the order in which it is made.

Each line that fails ends with the command that mends it. Left out: making any of it, because an account's owner decides
it; `--template` prints what `aws cloudformation deploy` makes of it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer
from botocore.exceptions import BotoCoreError, ClientError

from infra import bootstrap
from infra.deciding import load_environment
from infra.deploying_role import check_described
from infra.environment import Environment
from infra.errors import ConfigError
from infra.naming import check_stack_name, stack_names
from infra.recording import record
from infra.yamlfile import read_mapping
from ops.aws.clients import Aws
from ops.lab.entering import InLab, place
from ops.output.progress import progress, say
from ops.output.report import Check, Report, as_json, show
from ops.preflight import account, github, made
from ops.preflight.account import lacking, ok
from ops.preflight.dns import name_servers
from ops.stacks.engine import PulumiError, StackHandle, backend_url
from ops.stacks.locks import project_name
from ops.stacks.names import complete_stack
from ops.stacks.place import Place, project_folder

KEPT_SECRET = ("awskms", "azurekeyvault", "gcpkms", "hashivault")
"""Schemes of secrets providers whose key is somewhere safe (Pulumi, secrets handling)."""

AWS_HOSTS = (".amazonaws.com", ".amazonaws.com.cn")
"""Where AWS's own S3 is (AWS General Reference, Amazon S3 endpoints)."""


def preflight(
    stacks: Annotated[
        list[str] | None,
        typer.Argument(help="The environment: live, nft, int, dev.", metavar="STACK", autocompletion=complete_stack),
    ] = None,
    in_lab: InLab = False,
    template: Annotated[
        bool,
        typer.Option(
            "--template",
            help="Print the CloudFormation template of an account that holds STACKs, or all that have a file: roles "
            "for workflows, permissions boundaries, the bucket of states, the key of secrets.",
        ),
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
    folder = project_folder(Path.cwd())
    if template:
        typer.echo(bootstrap.printed(_template(stacks or stack_names(folder), folder)))
        return
    stack = _one(stacks or [])
    environment = load_environment(stack, folder)
    asked = _resolver(resolver)
    at = place(in_lab)

    aws = Aws(environment.aws, at)
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


def _one(stacks: Sequence[str]) -> str:
    """Return the stack that is asked for. Raises ConfigError if none or several are."""
    if len(stacks) != 1:
        raise ConfigError.of(
            "STACK", f"is {', '.join(stacks) or 'not given'}; allowed: one, or --template", "eps-dos preflight live"
        )
    return check_stack_name(stacks[0])


def _template(stacks: Sequence[str], folder: Path) -> dict[str, Any]:
    """Return the template of an account that holds `stacks`. Raises ConfigError."""
    environments = {check_stack_name(stack): load_environment(stack, folder) for stack in stacks}
    for environment in environments.values():
        check_described(record(environment))
    return bootstrap.template(environments, project_name(folder))


def check_backend(url: str | None, aws: Aws, bucket: str, *, in_lab: bool) -> Check:
    """States are kept where a team can reach them.

    `url` is where Pulumi is logged in to; None: nowhere. `bucket` is the one that the account has for them.
    """
    name = "state backend"
    remedy = f"pulumi login '{backend_of(bucket, aws.region, aws.s3.meta.endpoint_url)}'"
    if url is None:
        return lacking(name, "nobody is logged in to one", remedy)
    scheme = urlsplit(url).scheme
    if scheme == "file" and in_lab:
        return ok(name, "the lab's own folder; for a team a bucket")
    if scheme == "file":
        return lacking(name, "a folder of this machine, which nobody else has", remedy)
    if scheme == "s3" and urlsplit(url).netloc != bucket:
        return lacking(name, f"{url} is not the bucket that workflows have rights to", remedy)
    return ok(name, url)


def backend_of(bucket: str, region: str, endpoint: str) -> str:
    """Return what `pulumi login` takes. `endpoint` is where S3 is asked: AWS's own, or the lab's or another's."""
    if (urlsplit(endpoint).hostname or "").endswith(AWS_HOSTS):
        return f"s3://{bucket}?region={region}"
    return f"s3://{bucket}?region={region}&endpoint={endpoint}&s3ForcePathStyle=true"


def check_secrets_provider(
    folder: Path, stack: str, url: str | None, aws: Aws, alias: str, *, in_lab: bool, is_there: bool
) -> Check:
    """Secrets of the state are encrypted with a key that isn't in somebody's head.

    `alias` is that of the account's key; `is_there` is whether the backend has the stack already.
    """
    name = "secrets provider"
    written = str(read_mapping(folder / f"Pulumi.{stack}.yaml").get("secretsprovider", ""))
    if written.split(":")[0] in KEPT_SECRET and is_there:
        return ok(name, written)
    if in_lab:
        return ok(name, "the lab's passphrase, which keeps no secrets")
    if url is not None and urlsplit(url).scheme in {"http", "https"}:
        return ok(name, "Pulumi Cloud's own")
    provider = f"'awskms://{alias}?region={aws.region}'"
    command = (
        f"pulumi stack change-secrets-provider --stack {stack} {provider}"
        if is_there
        else f"pulumi stack init {stack} --secrets-provider {provider}"
    )
    there = (written or "a passphrase") if is_there else "the stack isn't there yet"
    return lacking(name, there, command)


def _checks(aws: Aws, environment: Environment, at: Place, resolver: tuple[str, int] | None) -> Iterator[Check]:
    identity = account.check_identity(aws, environment)
    yield identity
    if identity.verdict == "failed":
        # Whatever else is asked would be refused for the same reason.
        return
    account_id, partition = _caller(aws)
    there = None
    if not at.in_lab:
        try:
            there = made.deployed(aws, account_id, partition)
            yield from _of_template(there, environment, at.checkout)
        except (BotoCoreError, ClientError) as error:
            yield _unasked("account template", error)
    bucket = there.bucket if there else bootstrap.state_bucket(account_id)
    alias = there.parameters["KeyAlias"] if there else bootstrap.KEY_ALIAS
    url = _backend_url(at)
    backend = check_backend(url, aws, bucket, in_lab=at.in_lab)
    yield backend
    is_there = url is not None and backend.verdict == "ok" and StackHandle(environment.name, at).exists()
    yield check_secrets_provider(at.checkout, environment.name, url, aws, alias, in_lab=at.in_lab, is_there=is_there)
    # Pulumi writes settings of stacks only that its backend has: so not before.
    if held := account.check_allowed_accounts(environment, account_id, in_lab=at.in_lab):
        yield held
    yield _asked("permissions boundary", lambda: account.check_boundary(aws, environment, account_id, partition))
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


def _of_template(there: made.Made | None, environment: Environment, folder: Path) -> Iterator[Check]:
    if there is None:
        missing = f"the account has no roles for workflows, no bucket for states, no key: no {bootstrap.STACK}"
        yield lacking("account template", missing, made.deploying(environment.aws.region))
        return
    environments = {stack: load_environment(stack, folder) for stack in stack_names(folder)}
    yield from made.checks(there, environment.name, environments, project_name(folder))


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
    evidence = f"AWS can't be asked: {error}; the rights are those of a role that `eps-dos preflight --template` makes"
    return Check(name=name, verdict="failed", evidence=evidence)


def _caller(aws: Aws) -> tuple[str, str]:
    """Return the account and the partition in which somebody is asking."""
    caller = aws.sts.get_caller_identity()
    return caller["Account"], caller["Arn"].split(":")[1]
