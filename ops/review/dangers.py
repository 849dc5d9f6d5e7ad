"""The dangers in a plan: what clients would notice, or couldn't get back.

The names that clients connect to, the addresses that they have in their firewalls, the load balancer, the data; who may
get at them; and whatever can't be done without an outage, with the reason. A danger is something to acknowledge, not
something forbidden: that is `infra.rules`. Left out: how it is shown, and who acknowledged what.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network
from typing import Literal, get_args

from infra import types
from infra.graph import UNKNOWN, Value, json_document
from infra.naming import LIVE
from infra.reach import named, network_of
from infra.settings import NAMESPACE
from infra.values import mapping, objects
from ops.review import clients
from ops.review.access import widened
from ops.review.plan import Change, Plan
from ops.review.values import readable

VITAL: Mapping[str, str] = {
    types.EIP: "virtual IP",
    types.LOAD_BALANCER: "load balancer",
    types.RECORD: "DNS record",
    types.BUCKET: "dataset",
}
"""What may be neither deleted nor replaced without an acknowledgement."""

BUCKET_SETTINGS = frozenset(
    {
        types.BUCKET_OWNERSHIP,
        types.BUCKET_POLICY,
        types.PUBLIC_ACCESS_BLOCK,
        types.BUCKET_ENCRYPTION,
        types.BUCKET_VERSIONING,
    }
)
"""What protects the dataset; without any of them it is unprotected."""

Action = Literal[
    "cut",
    "delete",
    "replace",
    "unprotect",
    "redirect",
    "outage",
    "reroute",
    "judge",
    "shrink",
    "certificate",
    "unknown",
    "widen",
]
"""What happens, as an acknowledgement names it, the worst first.

`cut`: clients no longer reach the service; `reroute`: packets take another way; `judge`: the balancer judges the health
of instances otherwise; `shrink`: Live has less capacity; `certificate`: another is served.
"""

ACTIONS: tuple[Action, ...] = get_args(Action)


@dataclass(frozen=True, kw_only=True)
class Address:
    """A virtual IP, as clients see it."""

    address: str
    zone: str
    published: bool
    """Whether it stands in the stack file, and so in firewalls."""

    @property
    def words(self) -> str:
        """As a person would write it: `192.0.2.1 (eu-west-2a)`."""
        return f"{self.address} ({self.zone})" if self.zone else self.address


@dataclass(frozen=True, kw_only=True)
class Danger:
    """One dangerous thing that happens to one resource."""

    action: Action
    urn: str
    what: str
    """The resource in a person's words: `virtual IP live-vip-eu-west-2c`."""
    message: str
    """What happens; continues `what`."""
    outage: str = ""
    """Why an outage is unavoidable; empty if it isn't."""
    addresses: tuple[Address, ...] = ()
    """Those that would be lost."""
    concerns: tuple[str, ...] = ()
    """Suppliers in whose firewalls these addresses are."""
    acknowledged: str = ""
    """The reason that somebody gave; empty: nobody has acknowledged it."""


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What the files say of an environment besides its plan."""

    published: Mapping[str, str] | None = field(default_factory=dict)
    """Addresses by zone, as the stack file has them now; None if it can't be read."""
    suppliers: Mapping[IPv4Network, Collection[str]] = field(default_factory=dict)
    """Whose a range is, as suppliers.yaml has it now."""


def dangers(plan: Plan, declared: Declared) -> tuple[Danger, ...]:
    """Return what is dangerous in `plan`, the worst first: lost addresses, outages, then by what and how."""
    situation = _Situation(plan, declared)
    result = [danger for change in plan.changes for danger in _of(change, situation)]
    result += [danger for change in plan.drift for danger in _gone(change, situation)]
    result = _with_the_cut_off(result, situation)
    result += _rerouted(situation, {danger.urn for danger in result})
    if plan.failed:
        result += _taken_out(situation, {address for danger in result for address in danger.addresses})
    result += _contradicted(situation)
    if plan.uncounted:
        counts = ", ".join(f"{operation} ({count})" for operation, count in plan.uncounted.items())
        message = f"has operations that the engine counts and doesn't show: {counts}"
        result.append(situation.of_stack("unknown", message))
    return tuple(sorted(result, key=_rank))


def _rank(danger: Danger) -> tuple[bool, bool, int, int, str]:
    kinds = [*VITAL.values()]
    kind = next((index for index, name in enumerate(kinds) if danger.what.startswith(name)), len(kinds))
    lost = any(address.published for address in danger.addresses)
    noticed = bool(danger.outage) or danger.action == "cut"
    return (not lost, not noticed, kind, ACTIONS.index(danger.action), danger.what)


class _Situation:
    """What a danger depends on beyond the one resource."""

    def __init__(self, plan: Plan, declared: Declared) -> None:
        self.plan = plan
        self.declared = declared
        # A new stack has nothing to lose, and kept nobody out.
        self.is_new = not any(change.old for change in plan.changes if change.type.startswith("aws:"))
        self._by_allocation: dict[str, str] = {}
        for change in plan.of_type(types.EIP):
            outputs = change.old.outputs if change.old else {}
            allocation, address = outputs.get("allocationId") or outputs.get("id"), outputs.get("publicIp")
            if isinstance(allocation, str) and isinstance(address, str):
                self._by_allocation[allocation] = address
        moved = filter(None, map(_moved, plan.of_type(types.LAUNCH_TEMPLATE)))
        self.certificate_rights = {f"allows {READ_SECRET} on {secret}" for _, secret in moved}
        """What another certificate brings with it, as `widened` says it."""
        self.stack = next(iter(plan.of_type(types.STACK)), None)
        outputs = plan.outputs_before
        self._zones = _zones(outputs.get("virtualIps"))
        self._by_allocation |= self._brought()
        # An address stays published when a change takes it out of the stack file: firewalls don't read that.
        written = mapping(outputs.get("settings")).get(f"{NAMESPACE}:virtualIps")
        self.published_before = _zones(json_document(written) if isinstance(written, str) else written)
        # As last deployed, including those no longer in any file.
        could_connect = {network_of(cidr): [str(who)] for cidr, who in mapping(outputs.get("clients")).items()}
        self.clients = {network: names for network, names in could_connect.items() if network} | {**declared.suppliers}
        self._published = {**self.published_before, **_zones(declared.published)}

    def _brought(self) -> dict[str, str]:
        """Return the addresses allocated elsewhere, by allocation; the zone tells which address it is."""
        zone_of = {
            str(change.old.raw.get("id")): str(change.before("availabilityZone"))
            for change in self.plan.of_type(types.SUBNET)
            if change.old
        }
        attached = [
            item
            for change in self.plan.of_type(types.LOAD_BALANCER)
            for item in objects(change.before("subnetMappings"))
        ]
        return {
            str(item.get("allocationId")): address
            for item in attached
            if (address := self.address_in(zone_of.get(str(item.get("subnetId")), "")))
        }

    def replaced(self, type_: str) -> bool:
        return any(change.operation in {"replace", "delete"} for change in self.plan.of_type(type_))

    def of_stack(self, action: Action, message: str, what: str = "", addresses: tuple[Address, ...] = ()) -> Danger:
        """Return a danger that isn't caused by a single resource."""
        urn = self.stack.urn if self.stack else f"urn:pulumi:{self.plan.stack}"
        what = what or f"stack {self.plan.stack}"
        return Danger(action=action, urn=urn, what=what, message=message, addresses=addresses)

    def address_of(self, change: Change) -> tuple[Address, ...]:
        """Return the address that a virtual IP had."""
        address = change.old.outputs.get("publicIp") if change.old else None
        return (self.address(address),) if isinstance(address, str) else ()

    def address(self, address: str) -> Address:
        return Address(
            address=address,
            zone=self._published.get(address) or self._zones.get(address, ""),
            published=address in self._published,
        )

    def address_in(self, zone: str) -> str:
        """Return the address that the stack has in `zone`; empty if none."""
        return next((address for address, of_zone in self._zones.items() if of_zone == zone), "")

    def of_allocations(self, allocations: set[Value]) -> tuple[Address, ...]:
        """Return the addresses of `allocations`, in order of zone."""
        addresses = filter(None, (self._by_allocation.get(str(allocation)) for allocation in allocations))
        return tuple(sorted(map(self.address, addresses), key=lambda address: (address.zone, address.address)))


def _zones(by_zone: Value) -> dict[str, str]:
    """Return zones by address, of addresses by zone."""
    return {str(address): str(zone) for zone, address in mapping(by_zone).items()}


def _noun(change: Change) -> str:
    return VITAL.get(change.type, change.type.rsplit(":", 1)[-1])


def _of(change: Change, situation: _Situation) -> Iterator[Danger]:
    what = f"{_noun(change)} {change.name}"

    def danger(action: Action, message: str, outage: str = "", addresses: tuple[Address, ...] = ()) -> Danger:
        return Danger(action=action, urn=change.urn, what=what, message=message, outage=outage, addresses=addresses)

    if change.operation == "unknown":
        operations = ", ".join(change.engine_operations) or "nothing at all"
        yield danger("unknown", f"gets an operation that isn't known here, so it can't be judged: {operations}")
    look = _LOOKS.get(change.type)
    if look is not None:
        yield from look(change, situation, danger)
    if change.type in VITAL:
        yield from _options(change, danger)
    if change.type in BUCKET_SETTINGS and change.operation == "delete" and not situation.replaced(types.BUCKET):
        yield danger("unprotect", "goes: the dataset is without it")
    if not situation.is_new:
        for sentence in widened(change, situation.declared.suppliers):
            # One cause is acknowledged once: the certificate's own danger names the secret.
            if sentence not in situation.certificate_rights:
                yield danger("widen", sentence)


def _gone(change: Change, situation: _Situation) -> Iterator[Danger]:
    """Yield what was deleted by hand: a plan that recreates it looks harmless, but brings nothing back."""
    if change.operation == "delete" and change.type in VITAL:
        yield Danger(
            action="replace",
            urn=change.urn,
            what=f"{VITAL[change.type]} {change.name}",
            message="was deleted outside Pulumi; what is made now is another one",
            addresses=situation.address_of(change),
        )


def _with_the_cut_off(dangers_: Sequence[Danger], situation: _Situation) -> list[Danger]:
    """Return `dangers_` with the clients that are cut off: one danger for each cause, however many clients that is.

    Where the cause takes the service or an address away itself, which its danger says already, the clients stand there.
    """
    result = [*dangers_]
    lost = {address.address for danger in result for address in danger.addresses}
    for cut in clients.cuts(situation.plan):
        if cut.address in lost:
            continue
        message = f"cuts off {named(cut.clients, situation.clients)}"
        message += f" by {situation.address(cut.address).words}" if cut.address else ""
        message += "" if cut.for_good else ", for as long as the update is under way"
        cause = next((change for change in situation.plan.changes if change.urn == cut.urn), None)
        same = next((danger for danger in result if danger.urn == cut.urn and danger.action in CUTTING), None)
        if same:
            result[result.index(same)] = replace(same, message=f"{same.message}; {message}")
        elif cause:
            result.append(Danger(action="cut", urn=cut.urn, what=f"{_noun(cause)} {cause.name}", message=message))
        else:
            result.append(situation.of_stack("cut", message))
    return result


def _rerouted(situation: _Situation, judged: Set[str]) -> Iterator[Danger]:
    for change in situation.plan.changes if not situation.is_new else ():
        sides = [
            {name: value for name, value in state.inputs.items() if name not in TAGS} if state else None
            for state in (change.old, change.new)
        ]
        if change.type in ROUTING and change.urn not in judged and change.operation != "same" and sides[0] != sides[1]:
            message = "lets packets take another way, though no known client is cut off"
            yield Danger(action="reroute", urn=change.urn, what=f"{_noun(change)} {change.name}", message=message)


ROUTING = frozenset(
    {types.ROUTE, types.ROUTE_TABLE, types.INTERNET_GATEWAY, types.INTERNET_GATEWAY_ATTACHMENT, types.NETWORK_ACL}
)
TAGS = frozenset({"tags", "tagsAll"})
READ_SECRET = "secretsmanager:GetSecretValue"  # noqa: S105 - a right

CUTTING: Set[Action] = {"cut", "delete", "replace", "redirect", "outage"}
"""What takes the service away by itself."""


def _template(change: Change, _situation: _Situation, danger: _Make) -> Iterator[Danger]:
    if moved := _moved(change):
        before, after = moved
        yield danger("certificate", f"takes its certificate from {after or 'nowhere'}, and no longer from {before}")


def _moved(change: Change) -> tuple[str, str] | None:
    """Return the secret that instances no longer take their certificate from, and the one they take it from then."""
    before, after = _certificate(change.before("userData")), _certificate(change.after("userData"))
    return (before, after) if before and after is not None and after != before else None


def _certificate(user_data: Value) -> str | None:
    """Return the secret that instances take their certificate from; empty for none, None where nothing says it.

    It is read from what instances are given: of the outputs of a stack, a preview has none.
    """
    for file in objects(mapping(readable(user_data)).get("write_files")):
        if "certificateSecretArn" in mapping(file.get("content")):
            return str(mapping(file.get("content"))["certificateSecretArn"])
    return None


def _taken_out(situation: _Situation, listed: Set[Address]) -> Iterator[Danger]:
    """Yield the published addresses that a stack file no longer has, where no whole preview shows what becomes of them.

    A file that takes a zone out may be refused before any resource is looked at; the address is at stake all the same.
    """
    if situation.declared.published is None:
        return
    for address, zone in situation.published_before.items():
        lost = situation.address(address)
        if address not in situation.declared.published.values() and lost not in listed:
            message = f"of {zone} is published, and no longer in the stack file"
            yield situation.of_stack("delete", message, f"virtual IP {address}", (lost,))


def _contradicted(situation: _Situation) -> Iterator[Danger]:
    """Yield the addresses that the stack file calls published where the stack, which published none yet, has others."""
    before = set(situation.published_before.values())
    for zone, published in sorted((situation.declared.published or {}).items()):
        has = situation.address_in(zone)
        if has and has != published and zone not in before:
            message = f"of {zone} is published, says the stack file; the stack has {has} there"
            yield situation.of_stack("replace", message, f"virtual IP {published}", (situation.address(published),))


_Make = Callable[..., Danger]


def _options(change: Change, danger: _Make) -> Iterator[Danger]:
    lifted = [_KEPT_BY[option] for option, before, _ in change.options if before]
    lifted += [
        sentence
        for name, before, after, sentence in _PROTECTING.get(change.type, ())
        if change.operation in {"update", "replace"} and change.before(name) == before and change.after(name) == after
    ]
    if lifted:
        yield danger("unprotect", f"loses its protection: {'; '.join(lifted)}")


_KEPT_BY = {
    "protect": "may be deleted or replaced from now on, also in this very update",
    "retainOnDelete": "no longer stays in AWS when the stack gives it up",
}

_PROTECTING: Mapping[str, Sequence[tuple[str, Value, Value, str]]] = {
    types.LOAD_BALANCER: [("enableDeletionProtection", True, False, "AWS would let anybody delete it")],
    types.BUCKET: [("forceDestroy", False, True, "it would be deleted with all that is in it")],
    types.RECORD: [("allowOverwrite", False, True, "it would take over a record that somebody else made")],
}


def _address(change: Change, situation: _Situation, danger: _Make) -> Iterator[Danger]:
    if change.operation not in {"delete", "replace"}:
        return
    lost = situation.address_of(change)
    stays = "; it stays in the account, but belongs to no stack" if change.retained else ""
    if change.operation == "delete":
        yield danger("delete", f"is given up{stays}", addresses=lost)
    else:
        yield danger("replace", f"becomes another address, which AWS chooses{stays}", addresses=lost)


def _balancer(change: Change, situation: _Situation, danger: _Make) -> Iterator[Danger]:
    before, after = _allocations(change.before("subnetMappings")), _allocations(change.after("subnetMappings"))
    if change.operation == "delete":
        outage = "nothing answers on its addresses from the moment it goes"
        yield danger("delete", "is deleted", outage, situation.of_allocations(before))
    elif change.operation == "replace":
        # An unknown allocation may be any of these.
        lost = () if UNKNOWN in after else situation.of_allocations(before - after)
        for_what = f" for {', '.join(change.replace_reasons)}" if change.replace_reasons else ""
        yield danger("replace", f"is replaced{for_what}", _balancer_outage(change, before & after), lost)
    elif change.operation == "update" and before - after:
        # The provider can't tell before it knows the new address (aws provider, lb, CustomizeDiff).
        yield danger(
            "replace",
            "gets another address in a zone that it has: what looks like an update is a replacement",
            _balancer_outage(change, before & after),
            () if UNKNOWN in after else situation.of_allocations(before - after),
        )


def _balancer_outage(change: Change, kept: set[Value]) -> str:
    """Return why a load balancer can't be replaced without an outage.

    An address is associated with one network interface at a time (EC2 API, AssociateAddress), a target group with one
    load balancer (ELB guide, target groups of Network Load Balancers).
    """
    if change.deletes_first:
        return "it goes before its successor comes: from then on nothing answers, until the new one is active"
    held = "its addresses" if kept else "its target group"
    return (
        f"the new one is made first, and AWS refuses it, since {held} can't belong to both: the update would fail "
        "half-way; deleting the old one first is an outage until the new one is active. It takes a runbook"
    )


def _record(change: Change, _situation: _Situation, danger: _Make) -> Iterator[Danger]:
    name = change.before("name")
    if change.operation == "delete":
        yield danger("delete", f"{name} is deleted", f"{name} no longer resolves")
    elif change.operation == "replace":
        renamed = change.after("name") != name
        gone = f"{name} no longer resolves" if renamed else f"{name} doesn't resolve between the two"
        to = f"{name} becomes {change.after('name')}" if renamed else f"{name} is deleted and made anew"
        yield danger("replace", to, gone)
    elif change.operation == "update" and change.before("aliases") != change.after("aliases"):
        yield danger("redirect", f"{name} leads to another load balancer")


def _dataset(change: Change, _situation: _Situation, danger: _Make) -> Iterator[Danger]:
    if change.operation not in {"delete", "replace"}:
        return
    bucket = change.before("bucket")
    lost = "it stays in AWS, but belongs to no stack" if change.retained else "the data goes, with all its versions"
    if change.operation == "delete":
        yield danger("delete", f"{bucket} is deleted: {lost}", "nothing is left to answer from")
    else:
        yield danger("replace", f"{bucket} becomes another, empty bucket: {lost}", "the new one has no data")


def _listener(change: Change, situation: _Situation, danger: _Make) -> Iterator[Danger]:
    if change.operation not in {"delete", "replace"} or situation.replaced(types.LOAD_BALANCER):
        return
    if change.operation == "delete":
        yield danger("outage", "is deleted", "nothing listens on the port any more")
    else:
        # Two listeners can't have one port (ELB API, CreateListener: DuplicateListener).
        yield danger("outage", "is replaced", "a port has one listener, so it is closed between the two")


def _targets(change: Change, situation: _Situation, danger: _Make) -> Iterator[Danger]:
    if change.operation in {"delete", "replace"}:
        if not situation.replaced(types.LOAD_BALANCER):
            yield danger(
                "outage",
                f"is {change.operation}d",
                "the listener leads to a new, empty group until instances have joined it and are healthy",
            )
        return
    before, after = mapping(change.before("healthCheck")), mapping(change.after("healthCheck"))
    edited = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    if change.old and edited:
        # The group replaces what its load balancer calls unhealthy (EC2 Auto Scaling guide, health checks).
        differences = ", ".join(f"{name} {before.get(name)} => {after.get(name)}" for name in edited)
        yield danger(
            "judge",
            f"checks the health of what runs by {differences}; instances that fail the new check are terminated",
        )


def _instances(change: Change, situation: _Situation, danger: _Make) -> Iterator[Danger]:
    if change.operation in {"delete", "replace"}:
        yield danger(
            "outage",
            f"is {change.operation}d",
            "the old instances go as soon as the new group exists, and nothing waits until its own are healthy",
        )
    elif change.operation == "update" and change.after("maxSize") == 0 and change.before("maxSize") != 0:
        yield danger("outage", "may hold no instance any more", "nothing is left to answer")
    elif change.operation == "update" and situation.plan.stack == LIVE:
        smaller = [
            f"{name} {before:g} => {after:g} instances"
            for name in ("minSize", "maxSize")
            if isinstance(before := change.before(name), int | float)
            and isinstance(after := change.after(name), int | float)
            and after < before
        ]
        if smaller:
            yield danger("shrink", f"has less capacity: {', '.join(smaller)}")


_LOOKS: Mapping[str, Callable[[Change, _Situation, _Make], Iterator[Danger]]] = {
    types.EIP: _address,
    types.LOAD_BALANCER: _balancer,
    types.RECORD: _record,
    types.BUCKET: _dataset,
    types.LISTENER: _listener,
    types.TARGET_GROUP: _targets,
    types.SCALING_GROUP: _instances,
    types.LAUNCH_TEMPLATE: _template,
}


def _allocations(mappings: Value) -> set[Value]:
    allocations = (entry.get("allocationId") for entry in objects(mappings))
    return {allocation for allocation in allocations if isinstance(allocation, str) or allocation is UNKNOWN}
