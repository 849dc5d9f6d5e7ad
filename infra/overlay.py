"""The mirror: Live's settings laid under the few that a mirror has of its own.

What a mirror may set, and why, stands beside each setting (`infra.settings`). Everything else it takes from Live, so
the two can't be configured apart.
"""

from collections.abc import Mapping
from typing import Any

from infra.errors import Problem
from infra.settings import FACTS, KEYS, NAMESPACE, nearest, place, remove_command, unknown_key
from infra.values import mapping

MIRROR_KEYS = frozenset(key for key, facts in FACTS.items() if facts.mirror)


def laid_over(live: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return the whole settings of a mirror, tags merged one by one. Both are as written, not yet validated."""
    for_one_test = "ephemeral" in own
    inherited = {
        key: value
        for key, value in live.items()
        if key in FACTS and FACTS[key].inherited and not (for_one_test and FACTS[key].test == "refused")
    }
    defaults = {key: facts.mirror_default for key, facts in FACTS.items() if facts.mirror_default}
    written = own.get("tags", {})
    tags = {**mapping(live.get("tags")), **written} if isinstance(written, Mapping) else written
    return {**defaults, **inherited, **own, "tags": tags}


def problems_of_keys(own: Mapping[str, Any], stack: str, mirrored: str | None) -> list[Problem]:
    """Return the problems of keys that don't exist, or that a mirror (of `mirrored`) or an environment may not set."""
    problems = []
    for key in sorted(own):
        where, fix = place(key, stack), remove_command(key, stack)
        if key not in KEYS:
            allowed = MIRROR_KEYS if mirrored else [key for key, facts in FACTS.items() if not facts.mirrors_only]
            problems.append(unknown_key(key, stack, nearest(key, allowed)))
        elif mirrored and key not in MIRROR_KEYS:
            message = f"is {own[key]}; a mirror takes it from Pulumi.{mirrored}.yaml"
            problems.append(Problem(where=where, message=message, fix=fix))
        elif not mirrored and FACTS[key].mirrors_only:
            message = f"is {own[key]}; allowed: only in a stack that sets {NAMESPACE}:mirrors"
            problems.append(Problem(where=where, message=message, fix=fix))
    return problems
