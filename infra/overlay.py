"""The mirror: Live's settings laid under the few that a mirror has of its own.

Whatever isn't in `MIRROR_KEYS` a mirror takes from Live, so the two can't be configured apart.
"""

from collections.abc import Mapping
from typing import Any

from infra.errors import Problem
from infra.settings import KEYS, NAMESPACE, nearest, unknown_key
from infra.values import mapping

MIRROR_KEYS: Mapping[str, str] = {
    "mirrors": "says what it mirrors",
    "scale": "Live's capacity may be more than a test needs",
    "dnsName": "a name belongs to one environment",
    "hostedZone": "the name may be in a zone of its own",
    "cidr": "two VPCs that may be joined can't share a range",
    "allocationIds": "an address belongs to one environment",
    "virtualIps": "an address belongs to one environment",
    "release": "the next release is tested before Live has it",
    "loadGenerators": "the load has to come from somewhere",
    "operators": "other people operate it",
    "certificateSecretArn": "no certificate or key is shared with Live",
    "alarmSubscribers": "other people want to know",
    "tags": "somebody else may own and pay for it",
    "ephemeral": "a mirror may be made for one test, and says until when",
}
"""What a mirror may set, and why."""

NOT_INHERITED = frozenset(
    {
        "alarmSubscribers",
        "allocationIds",
        "certificateSecretArn",
        "ephemeral",
        "operators",
        "promotion",
        "protectAddresses",
        "release",
        "virtualIps",
    }
)
"""What is Live's alone: a mirror without a value of its own has none, and its release is `live`."""

OF_MIRRORS_ONLY = frozenset({"loadGenerators", "mirrors", "scale"})


def laid_over(live: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return the whole settings of a mirror, tags merged one by one. Both are as written, not yet validated."""
    inherited = {key: value for key, value in live.items() if key not in NOT_INHERITED}
    if "ephemeral" in own:
        # It gets its addresses from AWS, so it reserves none.
        inherited.pop("reservedZones", None)
    written = own.get("tags", {})
    tags = {**mapping(live.get("tags")), **written} if isinstance(written, Mapping) else written
    return {"release": "live", "scale": 1, **inherited, **own, "tags": tags}


def problems_of_keys(own: Mapping[str, Any], file: str, stack: str, mirrored: str | None) -> list[Problem]:
    """Return the problems of keys that don't exist, or that a mirror (of `mirrored`) or an environment may not set."""
    problems = []
    for key in sorted(own):
        where = f"{file}: {NAMESPACE}:{key}"
        fix = f"pulumi config rm {NAMESPACE}:{key} --stack {stack}"
        if key not in KEYS:
            allowed = frozenset(MIRROR_KEYS) if mirrored else KEYS - OF_MIRRORS_ONLY
            problems.append(unknown_key(where, nearest(key, allowed), f"{NAMESPACE}:{key}", stack))
        elif mirrored and key not in MIRROR_KEYS:
            message = f"is {own[key]}; a mirror takes it from Pulumi.{mirrored}.yaml"
            problems.append(Problem(where=where, message=message, fix=fix))
        elif not mirrored and key in OF_MIRRORS_ONLY:
            message = f"is {own[key]}; allowed: only in a stack that sets {NAMESPACE}:mirrors"
            problems.append(Problem(where=where, message=message, fix=fix))
    return problems
