"""Lifetime: the mark of an environment made for one test, in its state before anything else is.

What reaps it trusts only that state, and an update that was killed leaves no outputs. So the mark is a resource of its
own, made first and, since the provider depends on it, deleted last. It makes nothing in AWS.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from infra.environment import LIFETIME


@dataclass(frozen=True, kw_only=True)
class LifetimeArgs:
    """What the mark says."""

    settings: Mapping[str, object]
    """The stack's whole configuration, from which it can be rebuilt or extended on any machine."""


class Lifetime(pulumi.ComponentResource):
    """The mark. Its settings are inputs, since those are in the state as soon as it is registered."""

    def __init__(self, name: str, args: LifetimeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(LIFETIME, f"{name}-lifetime", {"settings": dict(args.settings)}, opts)
        self.register_outputs({})
