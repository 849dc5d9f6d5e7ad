"""Makes what resources.json lists: copied into a stack's project as its __main__.py.

Resources are plain ones and not pulumi_aws's classes, so that a wrong property reaches the provider. `${NAME.OUTPUT}`
stands for an output of one listed before.
"""

import json
import re
from pathlib import Path
from typing import Any

import pulumi

REFERENCE = re.compile(r"\$\{([\w-]+)\.(\w+)\}")
OUTPUTS = ("allocationId", "arn", "arnSuffix", "dnsName", "latestVersion", "name", "zoneId")
made: dict[str, pulumi.CustomResource] = {}


def filled(value: Any) -> Any:
    """Return a value with its references filled in."""
    if isinstance(value, dict):
        return {key: filled(item) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item) for item in value]
    if isinstance(value, str) and (found := REFERENCE.findall(value)):
        outputs = [made[name].id if output == "id" else getattr(made[name], output) for name, output in found]
        if REFERENCE.fullmatch(value):
            return outputs[0]
        return pulumi.Output.all(*outputs).apply(
            lambda known: "".join(
                text for pair in zip(REFERENCE.sub("\0", value).split("\0"), [*known, ""], strict=True) for text in pair
            )
        )
    return value


for one in json.loads(Path("resources.json").read_text(encoding="utf-8")):
    inputs = filled(one["inputs"])
    options = one.get("options", {})
    made[one["name"]] = pulumi.CustomResource(
        one["type"],
        one["name"],
        {**{output: None for output in OUTPUTS if output not in inputs}, **inputs},
        pulumi.ResourceOptions(
            depends_on=[made[name] for name in options.get("dependsOn", [])],
            ignore_changes=options.get("ignoreChanges"),
            version="7.51.1",
        ),
    )
