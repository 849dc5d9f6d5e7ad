"""The forms in which the environments are published, all from `ops.docs.model`: for people, programs and firewalls.

The HTML is plain, with a small sheet of its own. The templates of nhsuk-frontend were weighed: their CSS (10.6.1)
has no dark form and 278 kB where ours has 3, its fonts come from another host, and its look is for sites of nhs.uk.
The prose is Markdown in both pages, written once.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment as Templates
from jinja2 import FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt

from infra.environment import PORT
from ops.docs.model import Described, Document

SCHEMA_FILE = "environments.schema.json"
NOT_DEPLOYED = "Not deployed yet; published here after its first deployment"


def markdown(environments: Sequence[Described]) -> str:
    """Return the page for a Jekyll site."""
    return _rendered("deploy_overview.md.j2", environments)


def html(environments: Sequence[Described]) -> str:
    """Return the page as one file that needs no other: style and pictures are in it, and no script."""
    return _rendered("index.html.j2", environments)


def as_json(environments: Sequence[Described]) -> str:
    """Return the facts for programs, as `schema` describes them."""
    document = Document(environments=tuple(environment.facts for environment in environments))
    return _json({"$schema": SCHEMA_FILE, **document.model_dump(by_alias=True)})


def schema() -> str:
    """Return the JSON Schema of what `as_json` gives."""
    described = Document.model_json_schema(by_alias=True, mode="serialization")
    described["properties"]["$schema"] = {"type": "string", "description": "Where this schema is."}
    return _json({"$schema": "https://json-schema.org/draft/2020-12/schema", **described})


def addresses(environments: Sequence[Described]) -> str:
    """Return the published addresses, one a line; a line with `#` says what those after it are of."""
    blocks = []
    for environment in environments:
        facts = environment.facts
        lines = [f"# {facts.name}: {facts.dns_name}, {facts.protocol} {facts.port}", *facts.virtual_ips.values()]
        if not facts.virtual_ips:
            lines[0] += ": none published yet"
        if facts.reserved_virtual_ips:
            lines += [f"# {facts.name}, to be added: nothing answers yet", *facts.reserved_virtual_ips.values()]
        blocks.append("\n".join(lines))
    return "\n".join(blocks) + "\n"


def _rendered(template: str, environments: Sequence[Described]) -> str:
    templates = Templates(
        # Markdown has nothing to be escaped; the values are names, addresses and versions that were validated.
        autoescape=template.endswith(".html.j2"),
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.filters["markdown"] = _as_html
    return templates.get_template(template).render(
        environments=environments, port=PORT, not_deployed=NOT_DEPLOYED, example=environments[-1].facts.dns_name
    )


def _as_html(text: str) -> str:
    # HTML in it is escaped.
    return str(MarkdownIt("commonmark", {"html": False}).enable("table").render(text))


def _json(content: object) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
