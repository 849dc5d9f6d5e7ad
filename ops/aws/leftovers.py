"""What a killed run has left of an environment in AWS, that no state knows of: found, and removed.

A run that dies between a call and the writing of its state leaves what `pulumi destroy` can't see. So AWS is asked,
until it has nothing more of the environment. Each step can be interrupted, since nothing is remembered: the next run
finds what is there. Left out: how each kind is found and ends (`leftover_kinds`), and environments that have a state.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace

from botocore.exceptions import BotoCoreError, ClientError

from infra.errors import ConfigError
from infra.naming import PERMANENT, check_stack_name
from ops.aws.clients import Aws
from ops.aws.leftover_kinds import FINDERS, Finder, Kept, Leftover, Removable, find_of_others
from ops.aws.ownership import Subject
from ops.output.progress import Tell

__all__ = ["Leftover", "find", "of_others", "remove"]

PATIENCE_SECONDS = 600
"""How long nothing may go before the rest is given up: endpoints, addresses of load balancers and instances take AWS
minutes, and keep what they are in."""
LONGEST_PAUSE_SECONDS = 15
MOST_ROUNDS = 500
"""Somebody may be making things all the while."""

VANISHED = frozenset(
    {
        *("InvalidLaunchTemplateId.NotFound", "InvalidPrefixListID.NotFound", "InvalidPrefixListId.NotFound"),
        *("LoadBalancerNotFound", "TargetGroupNotFound", "NoSuchEntity", "NoSuchBucket", "NoSuchHostedZone"),
        *("NotFound", "NotFoundException", "ResourceNotFound", "ResourceNotFoundException"),
    }
)
"""Answers to a question about what has just been listed: it went between (errors of each action in the API references
of EC2, Elastic Load Balancing, IAM, S3, Route 53, SNS, CloudWatch and CloudWatch Logs)."""
LOOKS = 5
"""So often a kind is listed anew because something of it vanished meanwhile."""

REFUSED = frozenset(
    {"AccessDenied", "AccessDeniedException", "AuthorizationError", "OperationNotPermitted", "UnauthorizedOperation"}
)
"""Answers that waiting doesn't change: no right to it, or it is protected (common errors of each API reference)."""

IN_USE = frozenset({"DependencyViolation"})
"""Answers for what something else is in (EC2 API, error codes)."""

Key = tuple[str, str]


def find(aws: Aws, subject: Subject) -> tuple[Leftover, ...]:
    """Return everything of the environment that AWS has, in the order in which it could go.

    What its tags say is another's isn't among them, whatever its name. Raises botocore's errors if AWS can't be asked.
    """
    return tuple(removable.leftover for removable in _look(aws, subject))


def of_others(aws: Aws, subject: Subject) -> tuple[Leftover, ...]:
    """Return what others have put into the environment's network, with the command that removes it as the reason.

    Raises botocore's errors if AWS can't be asked.
    """
    seen = (removable.leftover for removable in _steadily(find_of_others, aws, subject))
    return tuple(leftover for leftover in seen if leftover.owner and leftover.reason)


def remove(
    aws: Aws, subject: Subject, tell: Tell, wait: Callable[[float], object] = time.sleep
) -> tuple[Leftover, ...]:
    """Remove everything of the environment that AWS has; return what is still there, each with the reason.

    Goes on while anything goes, and for `PATIENCE_SECONDS` after that. What can't be removed doesn't keep the rest.
    Raises ConfigError before anything else for an environment that is permanent, or that has a name from which those of
    a permanent one's things could begin; botocore's errors if AWS can't be asked.
    """
    _check(subject.environment)
    answers: Mapping[Key, Exception] = {}
    reported: set[Key] = set()
    pause, waited = 1.0, 0.0
    left = tuple(_look(aws, subject))
    for _ in range(MOST_ROUNDS):
        if not left:
            return ()
        before, answers = _keys(left), _end(left, reported, tell)
        left = tuple(_look(aws, subject))
        if before <= _keys(left):
            if waited >= PATIENCE_SECONDS or _nothing_will_go(left, answers):
                break
            tell(f"waiting for what AWS still has: {_counted(left)}")
            wait(pause)
            waited, pause = waited + pause, min(2 * pause, LONGEST_PAUSE_SECONDS)
            left = tuple(_look(aws, subject))
        if not before <= _keys(left):
            pause, waited = 1.0, 0.0
    return tuple(_with_reason(removable, answers.get(_key(removable))) for removable in left)


def _check(environment: str) -> None:
    check_stack_name(environment)
    for permanent in PERMANENT:
        if environment == permanent or environment.startswith(f"{permanent}-"):
            raise ConfigError.of(
                "environment",
                f"is {environment!r}; allowed: one made for a test, whose name is not {permanent} and "
                f"doesn't begin with {permanent}-, since {permanent} is permanent",
                "remove nothing of it from AWS but by `pulumi up` and review",
            )


def _look(aws: Aws, subject: Subject) -> Iterator[Removable]:
    for finder in FINDERS:
        yield from _steadily(finder, aws, subject)


def _steadily(finder: Finder, aws: Aws, subject: Subject) -> Collection[Removable]:
    for _ in range(LOOKS - 1):
        try:
            return tuple(finder(aws, subject))
        except ClientError as error:
            if error.response["Error"]["Code"] not in VANISHED:
                raise
    return tuple(finder(aws, subject))


def _end(left: Collection[Removable], reported: set[Key], tell: Tell) -> dict[Key, Exception]:
    """Ask each to go, and return the answers of those that don't. That one is gone already shows at the next look."""
    answers: dict[Key, Exception] = {}
    for removable in left:
        if _key(removable) not in reported:
            reported.add(_key(removable))
            tell(f"left in AWS: {removable.leftover}")
        try:
            if removable.end is not None:
                removable.end()
        except (BotoCoreError, ClientError, Kept) as error:
            answers[_key(removable)] = error
    return answers


def _nothing_will_go(left: Collection[Removable], answers: Mapping[Key, Exception]) -> bool:
    """Whether waiting changes nothing; what depends on something waits for as long as that is kept."""
    kept = any(removable.leftover.owner and _is_final(answers.get(_key(removable))) for removable in left)
    return all(
        _is_final(answer) or (kept and isinstance(answer, ClientError) and answer.response["Error"]["Code"] in IN_USE)
        for answer in (answers.get(key) for key in _keys(left))
    )


def _is_final(answer: Exception | None) -> bool:
    if isinstance(answer, ClientError):
        return answer.response["Error"]["Code"] in REFUSED
    return isinstance(answer, Kept)


def _key(removable: Removable) -> Key:
    return removable.leftover.kind, removable.leftover.id


def _keys(left: Collection[Removable]) -> frozenset[Key]:
    return frozenset(map(_key, left))


def _counted(left: Collection[Removable]) -> str:
    kinds = [removable.leftover.kind for removable in left]
    return ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))


def _with_reason(removable: Removable, answer: Exception | None) -> Leftover:
    if isinstance(answer, ClientError):
        error = answer.response["Error"]
        return replace(removable.leftover, reason=f"{error['Code']}: {error['Message']}")
    return replace(removable.leftover, reason=str(answer)) if answer else removable.leftover
