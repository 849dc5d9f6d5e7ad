"""`eps-dos docs`: the API's deployment overview, as a page of its documentation site.

Made from the stack files and the addresses published in them, so that it can be made anywhere and says nothing that a
reviewer hasn't seen; and the table of settings in docs/configuration.md, from infra/settings.py. Left out: what is
deployed right now, which a page would be wrong about soon; suppliers' names.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from jinja2 import Environment as Templates
from jinja2 import FileSystemLoader, StrictUndefined
from pydantic_core import PydanticUndefined

from infra.deciding import load_environment
from infra.environment import PORT, Environment
from infra.errors import ConfigError
from infra.naming import PERMANENT
from infra.settings import FACTS, KEYS, NAMESPACE, StackSettings
from infra.yamlfile import read_mapping
from ops.output.progress import say
from ops.stacks.place import project_folder

PAGE = Path("docs/deploy_overview.md")
CONFIGURATION = Path("docs/configuration.md")
TEMPLATE = "deploy_overview.md.j2"

NOT_DEPLOYED = "Not deployed yet; published here before it opens"

_MOST_LINES_SHOWN = 20

_FOR_ONE_TEST = {"copied": "as in what it is like", "own": "its own", "refused": "never"}

_SETTINGS_TABLE = re.compile(r"^\| key \|.*\n(?:\|.*\n)*", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Words:
    """What the page says of an environment and no file does: the API overview's own words."""

    title: str
    purpose: str
    who: str
    description: str = ""


WORDS: Mapping[str, Words] = {
    "live": Words(
        title="Live",
        purpose="The production environment, used only by assured prescribing systems",
        who="assured prescribing systems only",
    ),
    "nft": Words(
        title="NFT",
        purpose="Used in non functional testing of both API and applications",
        who="suppliers that are listed for it, for non functional tests",
        description="Non Functional Test Environment. Infrastructure directly reflects live, {scale}. "
        "Dataset is the same as in the live environment.",
    ),
    "int": Words(
        title="Int",
        purpose="Used for end to end application integration testing",
        who="suppliers that are listed for it, for end to end tests",
        description="Integration Test Environment. May be configured to have the same release as in Live to allow "
        "application testing, or the current release +1 to allow testing of the new release. Test data will be "
        "configured at supplier request.",
    ),
    "dev": Words(
        title="Dev",
        purpose="Used by applications under development",
        who="suppliers that are listed for it, for applications under development",
        description="Development Environment. Test data may be configured directly by suppliers.",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Described:
    """One environment as the page has it; every field is text for a table or a sentence."""

    title: str
    purpose: str
    who: str
    description: str
    dns_name: str
    virtual_ip: str
    reserved: str
    """Addresses that are published and not attached yet; empty: none."""
    port: int
    dataset: str
    release: str


def docs(
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 if the page is not what it should be.")
    ] = False,
) -> None:
    """Write the API's overview page and the table of settings.

    Example: eps-dos docs --check
    """
    folder = project_folder(Path.cwd())
    written = {file: _read(folder / file) for file in (PAGE, CONFIGURATION)}
    made = {PAGE: page(folder), CONFIGURATION: with_settings(written[CONFIGURATION])}
    stale = [file for file in made if made[file] != written[file]]
    for file in made.keys() - {*stale}:
        say(f"{file} is up to date")
    for file in stale:
        if check:
            _show_changes(file, written[file], made[file])
            say(f"{file} is stale\n    fix: eps-dos docs, then commit it")
            continue
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(made[file], encoding="utf-8")
        say(f"wrote {file}")
    if check and stale:
        raise typer.Exit(1)


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.exists() else ""


def _show_changes(file: Path, written: str, made: str) -> None:
    lines = [
        *difflib.unified_diff(written.splitlines(), made.splitlines(), f"{file}", "as it should be", lineterm="", n=0)
    ]
    for line in lines[:_MOST_LINES_SHOWN]:
        typer.echo(line)
    if len(lines) > _MOST_LINES_SHOWN:
        typer.echo(f"... {len(lines) - _MOST_LINES_SHOWN} more lines")


def with_settings(text: str) -> str:
    """Return the page about configuration, `text`, with the table of the settings as they are; one without it as is."""
    rows = [
        ("key", "what it is", "default", "a mirror may set it, because", "in an environment for one test"),
        ("---",) * 5,
        *(
            (f"`{key}`", _description(key), _default(key), facts.mirror, _FOR_ONE_TEST[facts.test])
            for key, facts in FACTS.items()
        ),
    ]
    table = "".join("|".join(("", *(f" {cell} " if cell else " " for cell in row), "\n")) for row in rows)
    return _SETTINGS_TABLE.sub(lambda _: table, text)


def _description(key: str) -> str:
    # Wrapped in the file, and one line of the table.
    return " ".join((StackSettings.model_fields[KEYS[key]].description or "").split())


def _default(key: str) -> str:
    default = StackSettings.model_fields[KEYS[key]].default
    if FACTS[key].mirror_default:
        return f"in a mirror `{FACTS[key].mirror_default}`"
    if default is PydanticUndefined:
        return ""
    return str(default).lower() if isinstance(default, bool | int) else "none"


def page(folder: Path) -> str:
    """Return the page for the project in `folder`. Raises ConfigError if a stack file is wrong or missing."""
    environments = [_described(load_environment(stack, folder), _release_written(stack, folder)) for stack in PERMANENT]
    # Markdown, in which nothing is escaped; the values are names, addresses and versions that were validated.
    templates = Templates(  # noqa: S701
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return templates.get_template(TEMPLATE).render(environments=environments, port=PORT)


def _described(environment: Environment, release_written: str) -> Described:
    words = WORDS[environment.name]
    published = {zone: plan for zone, plan in environment.virtual_ips.items() if plan.published}
    attached = {zone: plan.published for zone, plan in published.items() if plan.attached}
    reserved = {zone: plan.published for zone, plan in published.items() if not plan.attached}
    return Described(
        title=words.title,
        purpose=words.purpose,
        who=words.who,
        description=words.description.format(scale=_scale(environment)),
        dns_name=environment.dns.name,
        virtual_ip=_addresses(attached) or NOT_DEPLOYED,
        reserved=_addresses(reserved),
        port=PORT,
        dataset=environment.dataset.kind,
        release=_release(release_written, environment),
    )


def _addresses(by_zone: Mapping[str, str | None]) -> str:
    return ", ".join(str(address) for _, address in sorted(by_zone.items()))


def _scale(environment: Environment) -> str:
    if environment.scale is None or environment.scale == 1:
        return "at the same capacity"
    return f"scaled to {environment.scale.normalize():f} of its capacity"


def _release_written(stack: str, folder: Path) -> str:
    config = read_mapping(folder / f"Pulumi.{stack}.yaml").get("config")
    release = config.get(f"{NAMESPACE}:release") if isinstance(config, dict) else None
    if not isinstance(release, str):
        raise ConfigError.of(
            f"Pulumi.{stack}.yaml: {NAMESPACE}:release",
            "is missing or no text",
            f"pulumi config set {NAMESPACE}:release live --stack {stack}",
        )
    return release


def _release(written: str, environment: Environment) -> str:
    version = environment.service.release
    return {
        "live": f"{version}, the same as Live",
        "live+1": f"{version}, the one after Live's",
    }.get(written, version)
