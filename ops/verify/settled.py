"""Waiting until what was deployed answers to what was promised. Entered by up and ephemeral."""

from __future__ import annotations

import time
from collections.abc import Callable

from infra.environment import Environment
from ops.aws.clients import Aws
from ops.aws.inventory import read
from ops.aws.ownership import Subject
from ops.output.progress import progress
from ops.output.report import Report
from ops.stacks.engine import StackHandle
from ops.stacks.place import Place
from ops.verify.promises import SETTLING, Promised, report

HEALTHY_WITHIN_SECONDS = 600.0
"""How long instances have to start and to pass their health checks."""
POLL_SECONDS, LONGEST_POLL_SECONDS = 1.0, 10.0


def settled(
    environment: Environment,
    at: Place,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> Report:
    """Return what AWS has of `environment`, as soon as nothing fails that time may heal, or time is up."""
    aws = Aws(environment.aws, at)
    give_up = clock() + HEALTHY_WITHIN_SECONDS
    wait = POLL_SECONDS
    with progress(f"{environment.name}: looking at what AWS has") as tell:
        promised = Promised(environment=environment, outputs=StackHandle(environment.name, at).outputs())
        while True:
            seen = report(promised, read(aws, Subject.of(environment)))
            settling = [check for check in seen.checks if check.verdict == "failed" and check.name in SETTLING]
            if not settling or clock() >= give_up:
                return seen
            tell(f"waiting for {settling[0].name}: {settling[0].evidence}")
            pause(wait)
            wait = min(wait * 1.5, LONGEST_POLL_SECONDS)
