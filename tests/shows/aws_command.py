"""The `aws` of a machine that has no AWS CLI: any command of any service, as botocore's model has it.

`aws SERVICE OPERATION --option value... [--query JMESPATH] [--output text|json] [--region R]`: options are the
operation's parameters in kebab case, values are text, numbers, JSON or file://PATH, as in the AWS CLI's user guide.
`aws cloudformation deploy` as the AWS CLI has it: a change set, made and executed; parameters that aren't given keep
their values. Left out: whatever else the AWS CLI adds to the model (`aws s3`, waiters, pagination).
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
import jmespath  # type: ignore[import-untyped]  # it has no stubs
from botocore import xform_name
from botocore.model import Shape

GLOBAL = ("query", "output", "region")
NAMES = {"s3api": "s3"}
"""boto3's name of a service, where the AWS CLI has another."""


def main(arguments: list[str]) -> None:
    """Call what the command line says, and print the answer."""
    service, operation, *words = arguments
    options = dict(zip(words[::2], words[1::2], strict=True))
    given = {name.removeprefix("--"): value for name, value in options.items()}
    # boto3 looks at AWS_DEFAULT_REGION alone.
    region = given.get("region", os.environ.get("AWS_REGION"))
    client: Any = boto3.client(NAMES.get(service, service), region_name=region)  # type: ignore[call-overload]  # any service
    if (service, operation) == ("cloudformation", "deploy"):
        deploy(client, given)
        return
    method = operation.replace("-", "_")
    shape = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[method]).input_shape
    members: dict[str, Shape] = {xform_name(name, "-"): member for name, member in shape.members.items()}
    names = {xform_name(name, "-"): name for name in shape.members}
    parameters = {names[key]: _value(text, members[key]) for key, text in given.items() if key not in GLOBAL}
    answer = getattr(client, method)(**parameters)
    answer.pop("ResponseMetadata", None)
    # Times are text in the AWS CLI, and compared as such.
    shown = json.loads(json.dumps(answer, default=lambda value: value.isoformat()))
    found = jmespath.search(given["query"], shown) if "query" in given else shown
    text = _as_text(found) if given.get("output") == "text" else json.dumps(found, indent=4)
    sys.stdout.write(f"{text}\n")


def _as_text(found: object) -> str:
    """Return a list of lists as a line each, tabs between."""
    if not isinstance(found, list):
        return str(found)
    return "\n".join("\t".join(map(str, row)) if isinstance(row, list) else str(row) for row in found)


def deploy(client: Any, given: Mapping[str, str]) -> None:
    """Make a stack of a template, or bring it up to date (AWS CLI, cloudformation deploy)."""
    name, template = given["stack-name"], Path(given["template-file"]).read_text(encoding="utf-8")
    overrides = dict(one.split("=", 1) for one in shlex.split(given.get("parameter-overrides", "")))
    try:
        there = client.describe_stacks(StackName=name)["Stacks"][0]
    except client.exceptions.ClientError:
        there = None
    kept = [one["ParameterKey"] for one in (there or {}).get("Parameters", []) if one["ParameterKey"] not in overrides]
    made = client.create_change_set(
        StackName=name,
        ChangeSetName="deploy",
        ChangeSetType="UPDATE" if there else "CREATE",
        TemplateBody=template,
        Capabilities=given.get("capabilities", "").split(),
        Parameters=[
            *({"ParameterKey": key, "ParameterValue": value} for key, value in overrides.items()),
            *({"ParameterKey": key, "UsePreviousValue": True} for key in kept),
        ],
    )
    described = client.describe_change_set(ChangeSetName=made["Id"])
    if described["Status"] == "FAILED":
        sys.stdout.write(f"No changes to deploy. Stack {name} is up to date\n")
        client.delete_change_set(ChangeSetName=made["Id"])
        return
    client.execute_change_set(ChangeSetName=made["Id"])
    status = client.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
    if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        sys.exit(f"{name}: {status}")


def _value(text: str, shape: Shape) -> object:
    if text.startswith("file://"):
        text = Path(text.removeprefix("file://")).read_text(encoding="utf-8")
    match shape.type_name:
        case "string" | "blob" | "timestamp":
            return text
        case "integer" | "long":
            return int(text)
        case "float" | "double":
            return float(text)
        case _:
            return json.loads(text)


if __name__ == "__main__":
    main(sys.argv[1:])
