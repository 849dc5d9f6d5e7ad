"""The vocabulary of the provider's table: what a row of `lab.provider.rows` can say about a type of resource.

A row holds facts (calls, names of properties, what replaces, defaults); `planning` and `lifecycle` hold the behaviour.
Where AWS needs a sequence, a row names a step: a small function of the work in hand. Paths into AWS's answers are
JMESPath. Left out: how a value is converted and compared (`forms`), and which names pulumi_aws knows (`schema`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from lab.provider.forms import PLAIN, Form

if TYPE_CHECKING:
    from lab.provider.changes import Change
    from lab.provider.work import Work

Value = Any
"""A property's value: None, bool, int, float, str, list, dict, or `lab.provider.wire.UNKNOWN` in a preview."""

NOT_SENT: Final = ""
"""As a property's `sends` or `reads`: no plain call sends it, or AWS's description doesn't have it."""

SPREAD: Final = "*"
"""As a property's `sends`: an object whose parts are parameters of their own."""


@dataclass(frozen=True, kw_only=True)
class Property:
    """One input of a resource.

    sends: the parameter of create and update calls that takes it; default: its name in AWS's capitals.
    reads: where the description has it; default: as `sends`.
    default: what the real provider assumes when the program leaves it out; the check writes it into the inputs.
    computed: AWS decides when the program leaves it out, and leaving it out later changes nothing.
    replaces: a change makes a new resource.
    cleared: what is sent when the program drops it; None: nothing can be.
    allowed: the values that the real provider accepts; empty: it doesn't look. longest: characters.
    between: smallest and largest number that it accepts.
    """

    sends: str | None = None
    reads: str | None = None
    form: Form = PLAIN
    default: Value = None
    computed: bool = False
    replaces: bool = False
    cleared: Value = None
    allowed: tuple[str, ...] = ()
    longest: int | None = None
    between: tuple[int, int] | None = None


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call of AWS.

    parameters: fixed ones; `{id}` and `{bucket}` in a text stand for the id and for properties, `{arn}` for outputs.
    sends: the properties it takes; None: each one whose parameter the operation has.
    id: where the answer has the new resource's id, or a text with placeholders.
    retries: error codes of a state that passes by itself; retried for `patience_seconds` of emulated time.
    """

    operation: str
    parameters: Mapping[str, Value] = field(default_factory=dict)
    sends: tuple[str, ...] | None = None
    id: str = ""
    retries: tuple[str, ...] = ()
    patience_seconds: float = 300.0


@dataclass(frozen=True, kw_only=True)
class Look:
    """One call that describes the resource; its `result` (JMESPath) joins the description, under `into` if given.

    The first look's result None means that the resource is gone. `absent`: error codes for "has none of this".
    """

    operation: str
    parameters: Mapping[str, Value] = field(default_factory=dict)
    result: str = "@"
    into: str = ""
    absent: tuple[str, ...] = ()


Step = Call | Callable[["Work"], None]
"""Part of a create, an update or a delete: a call, or a function for what a call can't say."""


@dataclass(frozen=True, kw_only=True)
class Update:
    """What is done when one of the properties `on` has changed.

    after_create: done after the create too, if the program sets one of them. `everything`: send all of a call's
    properties and not only the changed ones, for calls that put a whole.
    """

    on: tuple[str, ...]
    do: Step
    after_create: bool = False
    everything: bool = False


@dataclass(frozen=True, kw_only=True)
class Tagging:
    """How a resource's tags are handed over at its creation, read and changed.

    parameter: of the create call; "": a call of `add` follows it. shape: `list` of Key and Value, `map`, or
    EC2's `specifications`. In the calls' parameters `{tags}` and `{tag_keys}` stand for what is added and removed.
    """

    add: Step
    remove: Step
    parameter: str = "Tags"
    shape: str = "list"
    kind: str = ""
    reads: str = "Tags"


@dataclass(frozen=True, kw_only=True)
class Name:
    """The property that is made up when the program gives none: `NAME-1a2b3c4`, at most `longest` characters."""

    property: str = "name"
    prefix_property: str = "namePrefix"
    longest: int = 255
    finish: Callable[[str, Mapping[str, Value]], str] = lambda name, _inputs: name


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A state that is waited for: `path` of the description becomes one of `until`, at once failing on `fails`."""

    path: str
    until: tuple[Value, ...]
    fails: tuple[Value, ...] = ()
    reason: str = ""
    patience_seconds: float = 600.0


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A row: everything the provider knows about one type of resource."""

    type: str
    label: str
    """AWS's name for it in messages: `EC2 EIP`."""
    service: str
    """botocore's name of the service."""
    properties: Mapping[str, Property]
    create: Sequence[Step]
    reads: Sequence[Look]
    updates: Sequence[Update] = ()
    delete: Sequence[Step] = ()
    computed: Mapping[str, str] = field(default_factory=dict)
    """Outputs beside the properties: a JMESPath, or a text with placeholders if it has any (`arn:{partition}:...`)."""
    renews: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Outputs that change when one of these properties does, so that a preview can't know them."""
    describe: Callable[[Work, dict[str, Value]], dict[str, Value] | None] | None = None
    """Finishes the description after the looks, where JMESPath can't; None: the resource is gone."""
    waits: Waiting | None = None
    """What is waited for after the create, and after an update."""
    tags: Tagging | None = None
    name: Name | None = None
    gone: tuple[str, ...] = ()
    """Error codes that mean: there is no such resource. `CODE: WORDS` means it only with these words in the message."""
    checks: Sequence[Callable[[Mapping[str, Value]], Sequence[tuple[str, str]]]] = ()
    """Rules between properties: inputs -> (property, what is wrong with it)."""
    replaced_by: Callable[[Sequence[Change], Mapping[str, Value], Mapping[str, Value]], Sequence[str]] | None = None
    """CustomizeDiff's part: (changes, old state, new inputs) -> paths among the changes that replace after all."""
    unimplemented: tuple[str, ...] = ()
    """Inputs of the pulumi_aws class that the lab's stand-in refuses."""
    region: bool = True
    """Whether the resource lives in a region, so that it has pulumi_aws's property `region`."""
    conflicts: Sequence[tuple[str, ...]] = ()
    """Groups of properties of which a program may set one."""
    one_of: Sequence[tuple[str, ...]] = ()
    """Groups of properties of which a program must set exactly one."""
