"""Clients that a plan cuts off or lets in: who reaches the service before, after, and in the middle of the update.

The way of clients is followed over both graphs of the plan (`infra.reach`), so whichever resource cuts it is seen, and
a change that cuts nobody isn't one. Left out: addresses that are lost for good, and outages of whatever is replaced
(`ops.review.dangers`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from infra.graph import Graph, Resource, Value
from infra.reach import NOBODY, Ranges, change, reach
from infra.types import PREFIX_LIST, RECORD
from infra.values import objects
from ops.review.plan import Change, Plan, State

MOST_CAUSES = 40
"""Changes that are judged one by one; in a larger plan, the stack counts as the cause."""


@dataclass(frozen=True, kw_only=True)
class Cut:
    """Clients that a change cuts off."""

    urn: str
    """The resource whose change cuts them off; empty if several do so together."""
    clients: Ranges
    address: str = ""
    """The only address, or zone, by which they no longer get through; empty: by any."""
    for_good: bool = True
    """False: only during the update."""


def cuts(plan: Plan) -> Iterator[Cut]:
    """Yield the clients that lose the service, or one of its addresses, by `plan`: for good or during it, by cause."""
    before = _graph(plan, _before)
    reached = reach(before)
    if not reached.clients or plan.failed:
        # A plan that ends early has no after.
        return
    after = change(reached, reach(_graph(plan, _after)))
    middle = change(reached, reach(_graph(plan, _meanwhile)))
    causes = [change_ for change_ in plan.changes if change_.operation != "same"]

    def by_cause(side: Callable[[Change], Resource | None], lost: Ranges, address: str = "") -> Iterator[Cut]:
        left = lost
        for change_ in causes if lost and len(causes) <= MOST_CAUSES else ():
            alone = change(reached, reach(_replaced(before, change_.urn, side(change_))))
            if clients := (alone.narrowed.get(address, NOBODY) if address else alone.cut) & left:
                yield Cut(urn=change_.urn, clients=clients, address=address, for_good=side is _after)
                left = left - clients
        if left:
            yield Cut(urn="", clients=left, address=address, for_good=side is _after)

    yield from by_cause(_after, after.cut)
    for address, lost in after.narrowed.items():
        yield from by_cause(_after, lost, address)
    yield from by_cause(_meanwhile, middle.cut - after.cut)


def _graph(plan: Plan, side: Callable[[Change], Resource | None]) -> Graph:
    return Graph.of(plan.stack, (resource for change_ in plan.changes if (resource := side(change_))))


def _before(change_: Change) -> Resource | None:
    return _resource(change_, change_.old, _outputs(change_.old)) if change_.old else None


def _after(change_: Change) -> Resource | None:
    if change_.operation == "same":
        # Also where the program no longer says what the provider then leaves as it is.
        return _before(change_)
    if change_.new is None or change_.operation in {"delete", "forget"}:
        return None
    if change_.type == RECORD and change_.old and change_.before("name") != change_.after("name"):
        # Clients follow the name that they have.
        return None
    # What stays keeps its ids, which the engine's plan doesn't repeat.
    kept = _outputs(change_.old) if change_.old and change_.operation != "replace" else {}
    return _resource(change_, change_.new, kept)


def _resource(change_: Change, state: State, outputs: Mapping[str, Value]) -> Resource:
    return Resource(urn=change_.urn, type=change_.type, inputs=state.inputs, outputs=outputs)


def _outputs(state: State | None) -> Mapping[str, Value]:
    return {**state.outputs, "id": state.raw.get("id")} if state else {}


def _meanwhile(change_: Change) -> Resource | None:
    """Return the least that exists of a resource at any time during the update.

    One that is deleted before its successor comes isn't there. An entry of a prefix list whose description changes
    isn't there either: the provider removes it in one call and adds it in a second, while ranges come and go in one
    call (aws provider, internal/service/ec2/vpc_managed_prefix_list.go, update).
    """
    now = _after(change_)
    if change_.operation == "replace" and change_.deletes_first:
        return None
    if now and change_.type == PREFIX_LIST and change_.operation == "update":
        described = {entry.get("cidr"): entry for entry in objects(change_.before("entries"))}
        entries = objects(now.inputs.get("entries"))
        staying = [entry for entry in entries if described.get(entry.get("cidr"), entry) == entry]
        return replace(now, inputs={**now.inputs, "entries": staying})
    return now


def _replaced(graph: Graph, urn: str, resource: Resource | None) -> Graph:
    others = {key: value for key, value in graph.resources.items() if key != urn}
    return Graph(graph.stack, {**others, urn: resource} if resource else others)
