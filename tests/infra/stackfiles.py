"""Stack files to start a test from: those of the checkout, edited in a folder of the test's own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from infra.yamlfile import as_yaml

CHECKOUT = Path(__file__).parents[2]
NAMES = ("live", "nft", "int", "dev")
GONE = object()
"""Given as a value, it takes the key away."""


def project(folder: Path, **changes: Mapping[str, Any]) -> Path:
    """Copy the checkout's configuration to `folder` and return it; `nft={"scale": 6}` changes keys of a stack's."""
    for source in (*CHECKOUT.glob("Pulumi*.yaml"), CHECKOUT / "releases.yaml", CHECKOUT / "suppliers.yaml"):
        (folder / source.name).write_text(source.read_text())
    for stack, keys in changes.items():
        set_keys(folder / f"Pulumi.{stack}.yaml", keys)
    return folder


def set_keys(file: Path, keys: Mapping[str, Any]) -> None:
    """Set keys of a stack file; those without a namespace are the project's own."""
    document = yaml.safe_load(file.read_text()) if file.exists() else {"config": {"aws:region": "eu-west-2"}}
    for key, value in keys.items():
        name = key if ":" in key else f"eps-dos-api:{key}"
        if value is GONE:
            document["config"].pop(name, None)
        else:
            document["config"][name] = value
    file.write_text(as_yaml(document))


def suppliers(folder: Path, *entries: Mapping[str, Any]) -> Path:
    """Write suppliers.yaml; what an entry doesn't say is an assured supplier's who may connect to Live and NFT."""
    usual = {"name": "Example", "assured": True, "environments": ["live", "nft"], "clients": []}
    content = {"suppliers": [{**usual, **entry} for entry in entries]}
    (folder / "suppliers.yaml").write_text(as_yaml(content))
    return folder
