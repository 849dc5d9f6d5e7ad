"""The end of an environment made for one test: destroyed from its state alone, and looked for in AWS afterwards.

No file of the checkout but Pulumi.yaml's name of the project is needed, so that what no longer loads still goes. Each
step can be interrupted: the next run finds what is left. Left out: whether it may go, which `infra.reaping` says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.deciding import aws_plan
from infra.reaping import StackFacts, settings_of
from infra.settings import NAMESPACE, own_of
from ops.aws import leftovers
from ops.aws.clients import Aws
from ops.aws.leftovers import Leftover
from ops.aws.ownership import Subject
from ops.output.progress import Tell, say
from ops.stacks.engine import PulumiError, StackHandle
from ops.stacks.place import Place
from ops.stacks.workfolder import write_stack_file

MESSAGE = "eps-dos ephemeral: its time is over, or it was not needed any more"
"""In the stack's history, while there is one."""


def destroy(facts: StackFacts, at: Place, stacks: Mapping[str, Mapping[str, Any]], tell: Tell) -> tuple[Leftover, ...]:
    """Destroy a stack and whatever AWS still has of it; return what couldn't be removed. At the end it is forgotten.

    `at` is a work folder. `stacks` is what the stack files say: of an environment with an empty state, only what it was
    made like tells where it is. The locks in `facts` are removed, and no later ones: the caller has made sure that
    nobody works under them. Raises PulumiError if Pulumi can't destroy it, botocore's errors if AWS can't be asked.
    """
    handle = StackHandle(facts.name, at)
    for name in handle.mend():
        tell(f"removing {name}, which a run that is dead left cut short")
    write_stack_file(at, facts.name, settings_of(facts) or {}, handle.export().get("deployment"))
    if facts.locks:
        tell("removing the lock of a run that is dead")
        handle.release([lock.path for lock in facts.locks])
    if facts.pending:
        handle.forget_pending()
    settings = whole_settings(facts, stacks)

    def remove_left() -> tuple[Leftover, ...]:
        if settings is None:
            return ()
        return leftovers.remove(Aws(aws_plan(settings), at), subject(facts.name, settings), tell)

    for other in leftovers.of_others(Aws(aws_plan(settings), at), subject(facts.name, settings)) if settings else ():
        # At once: the provider waits for minutes before it says that something depends on something.
        say(f"{facts.name}: in the way: {other}")
    if facts.resources or facts.marks:
        try:
            handle.destroy(tell, message=MESSAGE)
        except PulumiError as error:
            if not error.refused_by_aws:
                raise
            # What a killed run left outside the state can be in the way: a role with a policy can't be deleted.
            tell("removing what AWS has that the state doesn't know")
            left = remove_left()
            if any(leftover.owner for leftover in left):
                # Once more would only take as long again.
                return left
            handle.destroy(tell, message=MESSAGE)
    left = remove_left()
    if not left:
        tell("forgetting the stack")
        handle.remove()
    return left


def whole_settings(facts: StackFacts, stacks: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the configuration of an environment, as far as needed to find it in AWS; None if there is none."""
    own = settings_of(facts)
    if own is None or facts.marks:
        return own
    like = stacks.get(str(own_of(own)["ephemeral"].get("like")))
    if like is None:
        return None
    mirrored = stacks.get(str(own_of(like).get("mirrors")), {})
    zone = own_of(like).get("hostedZone") or own_of(mirrored).get("hostedZone")
    return {**like, **own, f"{NAMESPACE}:dnsName": f"dos-{facts.name}.{zone}"}


def subject(name: str, settings: Mapping[str, Any]) -> Subject:
    """Return the names that environment `name` has in AWS. The bucket is its own, even if it read another's."""
    dns_name = str(own_of(settings)["dnsName"])
    return Subject(
        environment=name,
        dns_name=dns_name,
        hosted_zone=dns_name.partition(".")[2],
        bucket=f"{NAMESPACE}-{name}-dataset",
    )
