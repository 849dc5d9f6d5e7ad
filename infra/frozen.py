"""Frozen means frozen: whether what an extension would do is the later end of an environment made for one test, alone.

Pure: read from a preview's events, as the engine writes them (Pulumi, apitype.EngineEvent). Today's code and files may
mean more than those that the environment was made by; what they would change beside its end is named here. Left out:
what a change means (`ops.review`).
"""

from collections.abc import Iterable, Mapping
from typing import Any

from infra.environment import LIFETIME
from infra.settings import NAMESPACE
from infra.tags import EXPIRY_TAG
from infra.values import mapping, sequence

_NOTHING = frozenset({"same", "read", "refresh"})
"""Steps that change nothing (Pulumi, apitype.OpType)."""


def beside_its_end(events: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return what a preview would do beside telling another end: a line for each resource, with what of it changes."""
    steps = (mapping(mapping(event.get("resourcePreEvent")).get("metadata")) for event in events)
    return tuple(line for step in steps if step and (line := _more_than_its_end(step)))


def _more_than_its_end(step: Mapping[str, Any]) -> str:
    operation, urn = str(step.get("op")), str(step.get("urn"))
    if operation in _NOTHING:
        return ""
    name = "::".join(urn.rsplit("::", 2)[-2:]).rpartition("$")[2]
    if operation != "update":
        return f"{name}: {operation}"
    old, new = (_without_end(mapping(mapping(step.get(side)).get("inputs"))) for side in ("old", "new"))
    differing = {key for key in {*old, *new} if old.get(key) != new.get(key)}
    # What the inputs don't show: secrets, and what the provider finds otherwise.
    paths = {*map(str, mapping(step.get("detailedDiff"))), *map(str, sequence(step.get("diffs")))}
    differing |= {path for path in paths if path.partition(".")[0].partition("[")[0] not in _tells_the_end(step)}
    return f"{name}: {', '.join(sorted(differing))}" if differing else ""


def _tells_the_end(step: Mapping[str, Any]) -> frozenset[str]:
    return frozenset({"settings"}) if step.get("type") == LIFETIME else frozenset({"tags", "tagsAll"})


def _without_end(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return a resource's inputs without the tags and the setting that say when it ends."""
    kept = dict(inputs)
    for key in ("tags", "tagsAll"):
        if isinstance(kept.get(key), Mapping):
            kept[key] = {tag: value for tag, value in kept[key].items() if tag != EXPIRY_TAG}
        elif isinstance(kept.get(key), list):
            # As EC2 Auto Scaling has them.
            kept[key] = [tag for tag in kept[key] if mapping(tag).get("key") != EXPIRY_TAG]
    settings, ephemeral = mapping(kept.get("settings")), f"{NAMESPACE}:ephemeral"
    if ephemeral in settings:
        terms = mapping(settings[ephemeral]).items()
        kept["settings"] = {**settings, ephemeral: {term: value for term, value in terms if term != "expiresAt"}}
    return kept
