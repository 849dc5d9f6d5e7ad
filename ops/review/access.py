"""Access that a plan widens: who may connect, and who may do what with data and roles.

Compared is what is allowed before and after, not the text that says so: an entry inside a wider one adds nothing, a
statement written otherwise neither. Where it can't be told, because a document is known only after the update, or a
condition changed in a way that isn't plainly narrower, that counts as widened. Left out: what must never be open
(`infra.rules`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from ipaddress import IPv4Network, IPv6Network, ip_network
from itertools import product
from typing import TypeAlias

from infra import types
from infra.graph import SECRET, UNKNOWN, Value, policy_statements
from infra.values import objects, sequence
from ops.review.plan import Change
from ops.review.values import readable

POLICIES: Mapping[str, str] = {
    # type: the property that holds a policy (AWS IAM guide, JSON policy elements)
    types.BUCKET_POLICY: "policy",
    types.ROLE_POLICY: "policy",
    types.ROLE: "assumeRolePolicy",
    types.VPC_ENDPOINT: "policy",
    types.TOPIC_POLICY: "policy",
}

MOST_COMBINATIONS = 2_000
"""Of principals, actions and resources in one statement; more are compared as one."""

_Network: TypeAlias = IPv4Network | IPv6Network


Suppliers: TypeAlias = Mapping[IPv4Network, Collection[str]]
"""Whose a range is: names by range."""


def widened(change: Change, suppliers: Suppliers) -> tuple[str, ...]:
    """Return a sentence for each way in which `change` widens access; none for a resource that goes."""
    if change.operation in {"same", "delete", "forget", "read"} or change.new is None:
        return ()
    if change.type == types.PREFIX_LIST:
        return tuple(_entries(change, suppliers))
    look = _LOOKS.get(change.type)
    return tuple(look(change)) if look else ()


def _entries(change: Change, suppliers: Suppliers) -> Iterator[str]:
    if change.old is None:
        # A new environment's clients are in its first review anyway.
        return
    after = change.after("entries")
    if after is not None and not isinstance(after, list | tuple):
        yield "admits clients that are known only after the update"
    before = [network for entry in objects(change.before("entries")) if (network := _network(entry.get("cidr")))]
    for entry in objects(after):
        network = _network(entry.get("cidr"))
        if network is None or not _covered(network, before):
            names = ", ".join(name for range_, who in suppliers.items() if range_ == network for name in who)
            yield f"admits {entry.get('cidr')} ({names or 'nobody in suppliers.yaml'})"


def _rule(change: Change) -> Iterator[str]:
    before = _Opening.of(change.before) if change.old else None
    after = _Opening.of(change.after)
    if before is None or not after.within(before):
        yield f"opens {after}"


@dataclass(frozen=True)
class _Opening:
    """What a rule of a security group lets through."""

    protocol: Value
    ports: tuple[Value, Value]
    peers: Mapping[str, str]
    """Ranges, lists and groups, by the property that names them."""

    @classmethod
    def of(cls, read: Callable[[str], Value]) -> _Opening:
        peers = ("cidrIpv4", "cidrIpv6", "prefixListId", "referencedSecurityGroupId", "securityGroupId")
        return cls(
            read("ipProtocol"),
            (read("fromPort"), read("toPort")),
            {name: str(read(name)) for name in peers if read(name) is not None},
        )

    def within(self, other: _Opening) -> bool:
        """Whether it lets through no more than `other` does."""
        return (
            self.protocol == other.protocol
            and self._ports_within(other)
            and self.peers.keys() == other.peers.keys()
            and all(_within(peer, other.peers[name]) for name, peer in self.peers.items())
        )

    def _ports_within(self, other: _Opening) -> bool:
        if self.ports == other.ports:
            return True
        numbers = [port for port in (*self.ports, *other.ports) if isinstance(port, int | float)]
        if len(numbers) < 4:
            return False
        low, high, other_low, other_high = numbers
        return other_low <= low and high <= other_high

    def __str__(self) -> str:
        low, high = map(readable, self.ports)
        ports = f"{low}" if low == high else f"{low}-{high}"
        peers = ", ".join(value for name, value in self.peers.items() if name != "securityGroupId")
        return f"{self.protocol} {ports} to or from {peers or 'nobody named'}"


def _balancer_groups(change: Change) -> Iterator[str]:
    before, after = change.before("securityGroups"), change.after("securityGroups")
    for group in sequence(after) if change.old else ():
        if group is not UNKNOWN and group not in sequence(before):
            yield f"also admits whom the security group {group} admits"


def _blocks(change: Change) -> Iterator[str]:
    if change.old is None:
        return
    switches = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    lifted = [name for name in switches if change.before(name) is True and change.after(name) is not True]
    if lifted:
        yield f"no longer blocks public access: {', '.join(lifted)}"


def _policy(change: Change) -> Iterator[str]:
    name = POLICIES[change.type]
    before, after = change.before(name), change.after(name)
    if change.old is None and change.type in {types.VPC_ENDPOINT, types.TOPIC_POLICY}:
        # It is created with its endpoint or topic, and narrows access to it.
        return
    if after is None:
        if before is not None:
            yield "loses its policy"
        return
    if after in (UNKNOWN, SECRET):
        yield (
            "gets a policy that is known only after the update"
            if after is UNKNOWN
            else "gets a policy that isn't shown"
        )
        return
    old, new = _grants(before), _grants(after)
    denied_before, denied_after = ({grant for grant in grants if grant.effect == "Deny"} for grants in (old, new))
    for grant in sorted(new - old):
        if grant.effect != "Deny" and not any(grant.within(granted) for granted in old):
            yield f"allows {grant}"
    for grant in sorted(denied_before - denied_after):
        if not any(grant.within(denied) for denied in denied_after):
            yield f"no longer denies {grant}"


@dataclass(frozen=True, order=True)
class _Grant:
    """One principal, action and resource of a statement, with the statement's condition."""

    effect: str
    who: str
    action: str
    resource: str
    condition: str
    """As JSON."""

    def within(self, other: _Grant) -> bool:
        """Whether `other` plainly covers this grant: by wildcards, or by a wider condition."""
        return (
            self.effect == other.effect
            and _matches(self.who, other.who)
            and _matches(self.action, other.action)
            and _matches(self.resource, other.resource)
            and _condition_narrower(json.loads(self.condition), json.loads(other.condition))
        )

    def __str__(self) -> str:
        who = f" to {self.who}" if self.who else ""
        condition = f" if {self.condition}" if self.condition != "{}" else ""
        return f"{self.action} on {self.resource or 'itself'}{who}{condition}"


def _grants(document: Value) -> frozenset[_Grant]:
    return frozenset(grant for statement in policy_statements(document) for grant in _granted(statement))


def _granted(statement: Mapping[str, Value]) -> Iterator[_Grant]:
    effect = str(statement.get("Effect"))
    condition = json.dumps(_sorted(statement.get("Condition") or {}), sort_keys=True, default=repr)
    # Everybody, in its shorter form.
    said = {**statement, "Principal": {"AWS": "*"}} if statement.get("Principal") == "*" else statement
    parts = [_named(said, name) for name in ("Principal", "Action", "Resource")]
    if len(parts[0]) * len(parts[1]) * len(parts[2]) > MOST_COMBINATIONS:
        parts = [[", ".join(sorted(part))] for part in parts]
    for who, action, resource in product(*parts):
        yield _Grant(effect, who, action, resource, condition)


def _named(statement: Mapping[str, Value], name: str) -> list[str]:
    """Return the values of an element or of its negation; one empty text if there is neither."""
    values = [f"{value}" for value in _listed(statement.get(name))]
    values += [f"anything but {value}" for value in _listed(statement.get(f"Not{name}"))]
    return values or [""]


def _listed(value: Value) -> list[str]:
    if isinstance(value, Mapping):
        return [f"{key} {item}" for key, items in value.items() for item in _listed(items)]
    if isinstance(value, list | tuple):
        return [str(item) for item in value]
    return [] if value is None else [str(value)]


def _sorted(value: Value) -> Value:
    if isinstance(value, Mapping):
        return {str(key): _sorted(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return sorted((_sorted(item) for item in value), key=repr)
    return value


def _matches(text: str, pattern: str) -> bool:
    """Whether `pattern` stands for `text`; * and ? are wildcards (IAM guide, JSON policy elements: Resource)."""
    if text == pattern or ("*" not in pattern and "?" not in pattern):
        return text == pattern
    if text.startswith("anything but") or pattern.startswith("anything but"):
        return False
    # fnmatch knows sets of characters besides, which IAM doesn't.
    return fnmatchcase(text, pattern.replace("[", "[[]"))


def _condition_narrower(mine: Value, other: Value) -> bool:
    """Whether `mine` has every key of `other` and no further values, and so matches no more requests.

    A negated operator (StringNotEquals) is met by more requests the fewer values it has, so it must be equal.
    """
    if not isinstance(mine, Mapping) or not isinstance(other, Mapping):
        return False
    for operator, keys in other.items():
        if not isinstance(keys, Mapping):
            return False
        for key, values in keys.items():
            own = mine.get(operator, {}).get(key) if isinstance(mine.get(operator, {}), Mapping) else None
            if own is None:
                return False
            if "Not" in str(operator):
                if own != values:
                    return False
            elif not {*_listed(own)} <= {*_listed(values)}:
                return False
    return True


_LOOKS: Mapping[str, Callable[[Change], Iterator[str]]] = {
    types.INGRESS: _rule,
    types.EGRESS: _rule,
    types.LOAD_BALANCER: _balancer_groups,
    types.PUBLIC_ACCESS_BLOCK: _blocks,
    **dict.fromkeys(POLICIES, _policy),
}


def _network(text: Value) -> _Network | None:
    try:
        return ip_network(str(text), strict=False)
    except ValueError:
        return None


def _within(text: str, wider: str) -> bool:
    """Whether two peers are the same, or the first is a range inside the second."""
    network, around = _network(text), _network(wider)
    return text == wider or (network is not None and around is not None and _covered(network, [around]))


def _covered(network: _Network, others: Sequence[_Network]) -> bool:
    return any(
        isinstance(network, type(other)) and network.subnet_of(other)  # type: ignore[arg-type]  # of one family
        for other in others
    )
