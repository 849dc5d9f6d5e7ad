"""An alarm that rings while a release is to be rolled out, said beforehand: the rollout would not start.

It is a warning and no danger: all else would be deployed. Left out: the rollout's own look, just before it starts.
"""

from __future__ import annotations

from collections.abc import Iterator

from botocore.exceptions import BotoCoreError, ClientError

from infra import types
from infra.deciding import load_environment
from infra.errors import ConfigError
from infra.refreshes import in_words
from infra.values import sequence
from ops.aws.clients import Aws
from ops.aws.monitoring import ringing_alarms
from ops.review.plan import Change, Plan
from ops.stacks.place import Place

TEMPLATE = ("launchTemplateId", "launchTemplateVersion")


def alarm_warnings(plan: Plan, place: Place) -> Iterator[str]:
    """Yield what a reviewer is to know of alarms: nothing, unless `plan` rolls a release out where one rings.

    AWS is asked with what the stack's file says, since whoever writes a state would choose another account by it.
    """
    for rollout in plan.of_type(types.ROLLOUT):
        if rollout.old is None or rollout.new is None or not _replaces_instances(rollout):
            continue
        names = [str(name) for name in sequence(rollout.old.outputs.get("alarmNames"))]
        try:
            ringing = ringing_alarms(Aws(load_environment(plan.stack, place.folder).aws, place), names)
        except (BotoCoreError, ClientError, ConfigError) as error:
            yield f"whether an alarm rings that would stop the rollout wasn't read: {error}"
            continue
        if ringing:
            yield f"{in_words(ringing)}: {_consequence(rollout, plan.stack)}"


def _replaces_instances(rollout: Change) -> bool:
    return any(rollout.before(name) != rollout.after(name) for name in TEMPLATE)


def _consequence(rollout: Change, stack: str) -> str:
    release = rollout.after("release")
    if rollout.after("alarmsOverridden") is True:
        return f"overridden, so {release} is rolled out without alarms, and nothing is rolled back by itself"
    return (
        f"the rollout of {release} would not start, and all else would be deployed; for the rollout, too: "
        f'eps-dos release promote {release} --to {stack} --override alarms --reason "..."'
    )
