"""Plans to start a test from: what the engine would write, made of few words; and plans of pure malice."""

from __future__ import annotations

import json
import random
import string
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from infra.graph import SECRET_KEY, SECRET_MARK, UNKNOWN_MARKS
from ops.output.redaction import Redactor
from ops.review.acknowledgements import Acknowledgement, gate
from ops.review.content import Context, review_stack
from ops.review.dangers import Declared
from ops.review.model import Review, Source, StackReview
from ops.review.plan import Plan, read_plan

NOW = datetime(2026, 11, 23, 22, 10, tzinfo=UTC)
SOURCE = Source(kind="lab", label="the lab", command="eps-dos review live --lab")
UNKNOWN_TEXT = min(UNKNOWN_MARKS)
MARKED_SECRET = {SECRET_KEY: SECRET_MARK, "ciphertext": "[secret]"}

COMPONENT_OF = {
    "aws:ec2/eip:Eip": "VirtualIps",
    "aws:lb/loadBalancer:LoadBalancer": "LoadBalancer",
    "aws:lb/listener:Listener": "LoadBalancer",
    "aws:lb/targetGroup:TargetGroup": "LoadBalancer",
    "aws:route53/record:Record": "Dns",
    "aws:s3/bucket:Bucket": "Dataset",
    "aws:ec2/managedPrefixList:ManagedPrefixList": "Clients",
    "aws:autoscaling/group:Group": "Service",
}

Json = dict[str, Any]


def urn(type_: str, name: str, stack: str = "live") -> str:
    """Return a URN as the engine forms it, with the program's component before the type."""
    component = COMPONENT_OF.get(type_)
    qualified = f"eps-dos-api:infra:{component}${type_}" if component else type_
    return f"urn:pulumi:{stack}::eps-dos-api::{qualified}::{name}"


def state(inputs: Mapping[str, Any], outputs: Mapping[str, Any] | None = None, **options: Any) -> Json:
    """Return a resource as an event has it."""
    return {"inputs": dict(inputs), "outputs": {**inputs, **(outputs or {})}, **options}


def step(operation: str, type_: str, name: str, old: Json | None, new: Json | None, **more: Any) -> Json:
    """Return the event of a step."""
    metadata = {"op": operation, "urn": urn(type_, name), "old": old, "new": new, "detailedDiff": None, **more}
    return {"resourcePreEvent": {"metadata": metadata}}


def replacement(type_: str, name: str, old: Json, new: Json, *, delete_first: bool = False, **more: Any) -> list[Json]:
    """Return the events of a replacement."""
    order = ["create-replacement", "replace", "delete-replaced"]
    return [step(one, type_, name, old, new, **more) for one in (reversed(order) if delete_first else order)]


def plan(*events: Json, stack: str = "live", errors: Sequence[str] = ()) -> Plan:
    """Return the plan in `events`."""
    return read_plan(stack, events, errors)


def large_plan(steps: int) -> Plan:
    """Return a plan of so many steps, of several kinds."""
    types = ("aws:ec2/eip:Eip", "aws:autoscaling/group:Group", "aws:ec2/subnet:Subnet", "aws:iam/role:Role")
    events = []
    for index in range(steps):
        old = state({"name": f"n{index}", "size": index, "tags": {"Owner": "a", "Name": f"n{index}"}})
        new = state({"name": f"n{index}", "size": index + 1, "tags": {"Owner": "b", "Name": f"n{index}"}})
        operation = ("update", "create", "delete", "replace", "same")[index % 5]
        events.append(step(operation, types[index % 4], f"live-{index}", old if operation != "create" else None,
                           new if operation != "delete" else None))  # fmt: skip
    return plan(*events)


def reviewed(
    made: Plan,
    published: Mapping[str, str] | None = None,
    clients: Sequence[str] = (),
    known_secrets: Sequence[str] = (),
) -> StackReview:
    """Return what there is to say of a plan."""
    declared = Declared(published=published or {})
    return review_stack(
        made, Context(source=SOURCE, declared=declared, clients=clients, redactor=Redactor(known_secrets))
    )


def whole(*reviews: StackReview, acknowledgements: Sequence[Acknowledgement] = ()) -> Review:
    """Return the review of several stacks."""
    judged = gate(reviews, acknowledgements, NOW.date(), Redactor())
    return Review(commit="3f2a1bc", made_at=NOW, gate=judged)


# --- Malice ---

NASTY = (
    "`", "``", "```", "````\n```", "```\n</details>\n", "~~~", "<script>alert(1)</script>", "<!-- ", "-->",
    "</details>",
    "<details><summary>", "<img src=x onerror=alert(1)>", "@team", "@nhs/admins please approve", "#1", "GH-1", "a|b",
    "| x | y |\n|---|---|", "# heading", "\n# heading\n", "\r\n\r\n", "- [x] done", "[link](https://example.invalid)",
    "![](https://example.invalid/x.png)", "https://example.invalid/@team", "www.example.invalid", "&amp;", "&#64;team",
    "\u202eevil\u202c", "\u2066x\u2069", "\u200b", "\ufeff", "\x00", "\x1b[31mred\x1b[0m", "\ud800", "\U0001f4a9",
    "$$x$$", "$`x`$", ":tada:", "::", "\\", "\\`", "*b*", "_i_", "~~s~~", " ", "  leading", "trailing  ", "\t",
    "[secret]", "[known after up]", "true", "null", "1e400", '"', "'", "%%{init: {}}%%", "graph TD; a-->b",
    "]:::gone", '"]; click n0 "javascript:alert(1)"', "{", "[", '{"a": ', '{"Statement": [{"Effect": "Allow"}]}',
    "I2Nsb3VkLWNvbmZpZw", "I2Nsb3VkLWNvbmZpZwo!!", "שלום", "مرحبا", "é" * 50, "x" * 300, "0" * 70_000,
)  # fmt: skip

SECRET_FORMS: tuple[Callable[[str], str], ...] = (
    lambda core: f"AKIA{core.upper()[:16]}",
    lambda core: f"ghp_{core}{core}",
    lambda core: f"github_pat_{core}_{core}",
    lambda core: f"xoxb-{core}",
    lambda core: f"sk_live_{core}",
    lambda core: f"-----BEGIN RSA PRIVATE KEY-----\n{core}\n{core}\n-----END RSA PRIVATE KEY-----",
    lambda core: f"-----BEGIN PRIVATE KEY-----\\n{core}",
    lambda core: f"eyJ{core}.eyJ{core}.{core}",
    lambda core: f"Authorization: Bearer {core}",
    lambda core: f"https://user:{core}@example.invalid/",
    lambda core: f"password={core}",
    lambda core: f"db_password: {core}",
    lambda core: f"AWS_SECRET_ACCESS_KEY='{core}'",
    lambda core: json.dumps({"password": core}),
    lambda core: json.dumps({"nested": [{"apiKey": core}]}),
)

TYPES = (
    "aws:ec2/eip:Eip", "aws:lb/loadBalancer:LoadBalancer", "aws:lb/listener:Listener", "aws:route53/record:Record",
    "aws:lb/targetGroup:TargetGroup", "aws:s3/bucket:Bucket", "aws:s3/bucketPolicy:BucketPolicy",
    "aws:autoscaling/group:Group", "aws:ec2/managedPrefixList:ManagedPrefixList", "aws:ec2/subnet:Subnet",
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", "aws:iam/role:Role", "aws:iam/rolePolicy:RolePolicy",
    "aws:ec2/launchTemplate:LaunchTemplate", "eps-dos:index:Rollout", "pulumi:pulumi:Stack",
    "pulumi:providers:aws", "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", "",
)  # fmt: skip

KEYS = (
    "publicIp", "allocationId", "subnetMappings", "securityGroups", "name", "aliases", "bucket", "policy", "entries",
    "assumeRolePolicy", "cidr", "cidrIpv4", "fromPort", "toPort", "ipProtocol", "minSize", "maxSize", "tags", "port",
    "release", "imageId", "userData", "forceDestroy", "enableDeletionProtection", "virtualIps", "settings",
)  # fmt: skip

OPERATIONS = (
    "same", "create", "update", "delete", "replace", "create-replacement", "delete-replaced", "read", "refresh",
    "import",    "discard", "remove-pending-replace", "frobnicate", "", "`boom`",
)  # fmt: skip


class Malice:
    """Makes plans that hold whatever can be held, and remembers the secrets that it put into them."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - a plan to test with, made again from its seed
        self.cores: list[str] = []

    def plan(self) -> Plan:
        """Return a plan as an engine of ill will would write it."""
        pick = self._random
        events: list[Any] = [self._event() for _ in range(pick.randrange(12))]
        errors = [self._text() for _ in range(pick.randrange(3))] if pick.random() < 0.3 else []
        return read_plan("live", events, errors)

    def texts(self, count: int) -> list[str]:
        """Return texts to name suppliers, addresses and reasons with."""
        return [self._text() for _ in range(count)]

    def _event(self) -> Any:
        pick = self._random
        kind = pick.random()
        if kind < 0.75:
            name = pick.choice(["resourcePreEvent", "resourcePreEvent", "resOutputsEvent"])
            return {name: {"metadata": self._metadata()}}
        if kind < 0.85:
            finding = {"policyName": self._text(), "message": self._text(), "resourceUrn": self._urn(),
                       "enforcementLevel": pick.choice(["mandatory", "advisory", "fatal"])}  # fmt: skip
            return {"policyEvent": finding}
        if kind < 0.92:
            severity = pick.choice(["warning", "error", "info", "debug", 3])
            return {"diagnosticEvent": {"severity": severity, "message": self._text()}}
        summary = {"resourceChanges": {"warp": 2}, "PolicyPacks": {self._text(): "1"}}
        return pick.choice(
            [None, 3, "x", [], {}, {"summaryEvent": summary}, {"novelEvent`": {"x": 1}}, {"resourcePreEvent": None},
             {"resourcePreEvent": {"metadata": []}}]
        )  # fmt: skip

    def _metadata(self) -> Any:
        pick = self._random
        return {
            "op": pick.choice(OPERATIONS),
            "urn": self._urn(),
            "old": self._state(),
            "new": self._state(),
            "keys": pick.choice([None, [], [self._text()], "name", [3, None]]),
            "diffs": pick.choice([None, ["name"]]),
            "detailedDiff": pick.choice(
                [None, {}, [1], {self._path(): {"diffKind": "update-replace"}}, {self._path(): None},
                 {"a[0].b": {"diffKind": "add"}}]
            ),
        }  # fmt: skip

    def _urn(self) -> Any:
        pick = self._random
        if pick.random() < 0.1:
            return pick.choice([None, 3, "", "::", "no urn", self._text()])
        return urn(pick.choice(TYPES), pick.choice(["live-a", "live-b", self._text()]))

    def _state(self) -> Any:
        pick = self._random
        if pick.random() < 0.25:
            return pick.choice([None, {}, [], "x", 3])
        return {
            "inputs": self._properties(),
            "outputs": self._properties() if pick.random() < 0.7 else pick.choice([None, [], "x"]),
            "protect": pick.choice([True, False, None, "yes"]),
            "retainOnDelete": pick.choice([True, False, None]),
            "delete": pick.random() < 0.1,
        }

    def _properties(self) -> Any:
        pick = self._random
        made = {pick.choice((*KEYS, self._path())): self._value(0) for _ in range(pick.randrange(8))}
        if pick.random() < 0.2:
            core = self._core()
            made[pick.choice(["password", "masterPassword", "authToken", "client_secret", "privateKey"])] = core
        return made

    def _value(self, depth: int) -> Any:
        pick = self._random
        kind = pick.random()
        if depth < 4 and kind < 0.15:
            return {pick.choice((*KEYS, self._text())): self._value(depth + 1) for _ in range(pick.randrange(4))}
        if depth < 4 and kind < 0.3:
            return [self._value(depth + 1) for _ in range(pick.randrange(4))]
        if kind < 0.4:
            return pick.choice(
                [None, True, False, 0, 443, -1.5, 1e308, float("nan"), float("inf"), 10**30, UNKNOWN_TEXT]
            )
        if kind < 0.45:
            return dict(MARKED_SECRET)
        if kind < 0.47:
            return self._deep()
        return self._text()

    def _text(self) -> str:
        pick = self._random
        kind = pick.random()
        if kind < 0.2:
            return self._secret()
        if kind < 0.205:
            return pick.choice(["A", "`", "@"]) * 1_000_000 + self._secret()
        return "".join(pick.choice(NASTY) for _ in range(pick.randrange(1, 4)))

    def _secret(self) -> str:
        around = self._random.choice(["", "", " before ", "\n", "`"])
        return f"{around}{self._random.choice(SECRET_FORMS)(self._core())}{around}"

    def _core(self) -> str:
        core = "".join(self._random.choices(string.ascii_letters + string.digits, k=20))
        self.cores.append(core)
        return core

    def _path(self) -> str:
        return self._random.choice(["tags.Name", "entries[0].cidr", 'tags["a.b"]', "policy", "", ".", "[", "x[999]"])

    def _deep(self) -> Any:
        value: Any = "bottom"
        for _ in range(200):
            value = [value] if self._random.random() < 0.5 else {"a": value}
        return value
