"""Whether IAM policies allow a request: AWS's evaluation logic for one account and the accounts beside it.

Rules: IAM User Guide, "Policy evaluation logic", "IAM JSON policy elements" (Principal, Action, Resource, Condition
operators, policy variables) and "AWS global condition context keys". Used for SimulatePrincipalPolicy and for bucket
policies, so that what is simulated and what is enforced can't differ.

Left out: service control policies, session policies, tag-based keys that nobody passes in.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from functools import lru_cache
from operator import eq, ge, gt, le, lt
from typing import Any


class Decision(Enum):
    """What an evaluation comes to, in the words of SimulatePrincipalPolicy."""

    ALLOWED = "allowed"
    EXPLICIT_DENY = "explicitDeny"
    IMPLICIT_DENY = "implicitDeny"


@dataclass(frozen=True)
class Request:
    """One action on one resource. Keys of `context` are compared without case, as IAM does."""

    action: str  # s3:GetObject
    resource: str  # an ARN, or * for "any"
    context: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def values(self, key: str) -> Sequence[str] | None:
        """Return the values of a context key; None if the request has none."""
        return {name.lower(): values for name, values in self.context.items()}.get(key.lower())


@dataclass(frozen=True)
class Principal:
    """Who asks: an ARN of a user, a role or an account's root."""

    arn: str  # arn:aws:iam::123456789012:role/NAME

    @property
    def account(self) -> str:
        """The account number."""
        return self.arn.split(":")[4]

    @property
    def root_arn(self) -> str:
        """The account's root: who a policy that names the account means."""
        return f"arn:aws:iam::{self.account}:root"


@dataclass(frozen=True)
class Statement:
    """One statement of a policy, with where it comes from."""

    source: str
    kind: str  # SourcePolicyType of SimulatePrincipalPolicy: role, user, resource, ...
    body: Mapping[str, Any]

    @property
    def denies(self) -> bool:
        """Whether its effect is Deny."""
        return bool(self.body.get("Effect") == "Deny")

    def fits(self, request: Request) -> bool:
        """Tell whether action, resource and conditions are those of `request`."""
        return self._fits_action(request) and self._fits_resource(request) and self._fits_conditions(request)

    def names(self, principal: Principal) -> bool:
        """Tell whether the statement is about `principal`: itself, its account or everybody."""
        return self.names_itself(principal) or self.names_account(principal)

    def names_itself(self, principal: Principal) -> bool:
        """Tell whether `principal` is named by its own ARN, or by the star."""
        named = _principals(self.body)
        return named is None or "*" in named or principal.arn in named

    def names_account(self, principal: Principal) -> bool:
        """Tell whether the account of `principal` is named: it then decides whom of its own it lets."""
        named = _principals(self.body)
        return named is not None and not named.isdisjoint({principal.account, principal.root_arn})

    def context_keys(self) -> set[str]:
        """Return the context keys that its conditions ask for."""
        return {key for tests in self.body.get("Condition", {}).values() for key in tests}

    def _fits_action(self, request: Request) -> bool:
        def named(patterns: object) -> bool:
            return any(_like(pattern.lower(), request.action.lower()) for pattern in _listed(patterns))

        return not named(self.body["NotAction"]) if "NotAction" in self.body else named(self.body.get("Action"))

    def _fits_resource(self, request: Request) -> bool:
        def named(patterns: object) -> bool:
            return any(_like(_substituted(pattern, request), request.resource) for pattern in _listed(patterns))

        if "NotResource" in self.body:
            return not named(self.body["NotResource"])
        # A role's trust policy has no resource: it is about the role.
        return "Resource" not in self.body or named(self.body["Resource"])

    def _fits_conditions(self, request: Request) -> bool:
        return all(
            _holds(operator, key, [_substituted(value, request) for value in _listed(wanted)], request)
            for operator, tests in self.body.get("Condition", {}).items()
            for key, wanted in tests.items()
        )


@dataclass(frozen=True)
class Verdict:
    """A decision, with the statements that made it."""

    decision: Decision
    statements: tuple[Statement, ...] = ()


def statements_of(document: str | Mapping[str, Any], source: str, kind: str) -> list[Statement]:
    """Return the statements of a policy document. Raises ValueError if it isn't one."""
    policy = json.loads(document) if isinstance(document, str) else document
    bodies = policy.get("Statement") if isinstance(policy, Mapping) else None
    if isinstance(bodies, Mapping):
        bodies = [bodies]
    if not isinstance(bodies, list) or not all(isinstance(body, Mapping) for body in bodies):
        raise ValueError(f"{source} is no policy: it has no statements")
    return [Statement(source, kind, body) for body in bodies]


def evaluate_identity(
    statements: Iterable[Statement], request: Request, boundary: Iterable[Statement] | None = None
) -> Verdict:
    """Return what the policies of an identity say: a denial wins, then an allowance, else it isn't allowed.

    `boundary`: its permissions boundary, which must allow it, too (IAM guide, permissions boundaries); None: none.
    """
    verdict = _verdict([statement for statement in statements if statement.fits(request)])
    if boundary is None or verdict.decision is Decision.EXPLICIT_DENY:
        return verdict
    limit = _verdict([statement for statement in boundary if statement.fits(request)])
    return verdict if limit.decision is Decision.ALLOWED else limit


def evaluate_resource(statements: Iterable[Statement], request: Request, principal: Principal) -> Verdict:
    """Return what a resource's policy says of `principal`, alone."""
    return _verdict([one for one in statements if one.names(principal) and one.fits(request)])


def evaluate(
    identity: Sequence[Statement],
    resource: Sequence[Statement],
    request: Request,
    principal: Principal,
    owner_account: str,
) -> Verdict:
    """Return what the policies of `principal` and those of the resource come to together.

    Within the owner's account either may allow, where the resource's policy names the principal itself: naming the
    account leaves it to the identity's policies. Across accounts both must. A denial in either wins. An account's root
    has all rights in its account as far as nothing denies them.
    """
    by_identity = evaluate_identity(identity, request)
    by_resource = evaluate_resource(resource, request, principal)
    for verdict in (by_identity, by_resource):
        if verdict.decision is Decision.EXPLICIT_DENY:
            return verdict
    is_root = principal.arn == principal.root_arn
    allowed_by_identity = is_root or by_identity.decision is Decision.ALLOWED
    together = by_identity.statements + by_resource.statements
    if principal.account != owner_account:
        both = allowed_by_identity and by_resource.decision is Decision.ALLOWED
        return Verdict(Decision.ALLOWED, together) if both else Verdict(Decision.IMPLICIT_DENY)
    named = any(one.names_itself(principal) for one in by_resource.statements)
    if allowed_by_identity or (by_resource.decision is Decision.ALLOWED and named):
        return Verdict(Decision.ALLOWED, together)
    return Verdict(Decision.IMPLICIT_DENY)


def missing_context_keys(statements: Iterable[Statement], request: Request) -> list[str]:
    """Return the context keys that conditions ask for and `request` doesn't have."""
    asked = {key for statement in statements for key in statement.context_keys()}
    return sorted(key for key in asked if request.values(key) is None)


def _verdict(fitting: Sequence[Statement]) -> Verdict:
    denying = tuple(statement for statement in fitting if statement.denies)
    if denying:
        return Verdict(Decision.EXPLICIT_DENY, denying)
    return Verdict(Decision.ALLOWED if fitting else Decision.IMPLICIT_DENY, tuple(fitting))


def _principals(body: Mapping[str, Any]) -> set[str] | None:
    """Return the AWS principals of a statement; None if it is an identity's, which names nobody."""
    named = body.get("Principal")
    if named is None:
        return None
    if isinstance(named, str):
        return {named}
    return set(_listed(named.get("AWS")))


def _listed(value: object) -> list[str]:
    if value is None:
        return []
    if isinstance(value, list):
        return [_text(item) for item in value]
    return [_text(value)]


def _text(value: object) -> str:
    # JSON's true is IAM's "true".
    return str(value).lower() if isinstance(value, bool) else str(value)


def _substituted(pattern: str, request: Request) -> str:
    """Return `pattern` with its policy variables filled in: ${aws:PrincipalAccount}, ${key, 'default'}, ${*}."""

    def fill(match: re.Match[str]) -> str:
        key, _, default = match.group(1).partition(",")
        if key in ("*", "?", "$"):
            return f"[{key}]" if key != "$" else key
        values = request.values(key.strip())
        return values[0] if values and len(values) == 1 else default.strip().strip("'") or match.group(0)

    return re.sub(r"\$\{([^}]*)\}", fill, pattern)


@lru_cache(maxsize=4096)
def _pattern(pattern: str) -> re.Pattern[str]:
    # [*] and [?] are what _substituted makes of ${*} and ${?}: the characters themselves.
    parts = re.split(r"(\[\*\]|\[\?\]|\*|\?)", pattern)
    wild = {"*": ".*", "?": ".", "[*]": r"\*", "[?]": r"\?"}
    return re.compile("".join(wild.get(part) or re.escape(part) for part in parts), re.DOTALL)


def _like(pattern: str, value: str) -> bool:
    return _pattern(pattern).fullmatch(value) is not None


def _arn_like(pattern: str, value: str) -> bool:
    # Each of the six parts is compared by itself: a star doesn't reach over a colon, but in the last part.
    patterns, values = pattern.split(":", 5), value.split(":", 5)
    return len(patterns) == len(values) == 6 and all(map(_like, patterns, values))


def _compared(read: Callable[[str], float], compare: Callable[[float, float], bool]) -> Callable[[str, str], bool]:
    return lambda wanted, value: compare(read(value), read(wanted))


def _seconds(text: str) -> float:
    return float(text) if text.replace(".", "").isdigit() else datetime.fromisoformat(text).timestamp()


def _in_network(wanted: str, value: str) -> bool:
    return ipaddress.ip_address(value) in ipaddress.ip_network(wanted, strict=False)


# Operator: how a wanted value is compared with one of the request's. Those with Not are the contrary of these.
OPERATORS: Mapping[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda wanted, value: wanted == value,
    "StringEqualsIgnoreCase": lambda wanted, value: wanted.lower() == value.lower(),
    "StringLike": _like,
    "ArnEquals": _arn_like,
    "ArnLike": _arn_like,
    "Bool": lambda wanted, value: wanted.lower() == value.lower(),
    "IpAddress": _in_network,
    **{
        f"{kind}{name}": _compared(read, compare)
        for kind, read in (("Numeric", float), ("Date", _seconds))
        for name, compare in (
            ("Equals", eq),
            ("LessThan", lt),
            ("LessThanEquals", le),
            ("GreaterThan", gt),
            ("GreaterThanEquals", ge),
        )
    },
}
NEGATED = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
    "NotIpAddress": "IpAddress",
    "NumericNotEquals": "NumericEquals",
    "DateNotEquals": "DateEquals",
}


def is_known_operator(operator: str) -> bool:
    """Tell whether IAM has this condition operator."""
    bare = operator.removeprefix("ForAnyValue:").removeprefix("ForAllValues:")
    bare = bare.removesuffix("IfExists")
    return bare == "Null" or bare in OPERATORS or bare in NEGATED


def _holds(operator: str, key: str, wanted: Sequence[str], request: Request) -> bool:
    """Tell whether one condition holds. A missing key fails it, unless the operator is negated or says IfExists."""
    quantifier, _, bare = operator.rpartition(":")
    values = request.values(key)
    if bare == "Null":
        return all((value.lower() == "true") == (values is None) for value in wanted)
    if_exists = bare.endswith("IfExists")
    bare = bare.removesuffix("IfExists")
    negated = bare in NEGATED
    compare = OPERATORS.get(NEGATED.get(bare, bare))
    if compare is None:
        raise ValueError(f"condition operator {operator!r} is unknown")
    if values is None:
        return if_exists or quantifier == "ForAllValues" or (negated and not quantifier)
    matches = [any(_safely(compare, want, value) for want in wanted) for value in values]
    if negated:
        matches = [not match for match in matches]
        # Without a quantifier, a negated operator asks that none of the values fits.
        return any(matches) if quantifier == "ForAnyValue" else all(matches)
    return all(matches) if quantifier == "ForAllValues" else any(matches)


def _safely(compare: Callable[[str, str], bool], wanted: str, value: str) -> bool:
    try:
        return compare(wanted, value)
    except ValueError:
        # A value of another type than the operator's doesn't match: no error in IAM.
        return False
