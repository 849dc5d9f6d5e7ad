"""The whole program, recorded without a cloud: every resource with its inputs, parents, dependencies and protection.

It runs the same `program.create` as the engine does, against a monitor that writes down each registration. What only
AWS would know (ids, ARNs, addresses) is made from the resource's own name, so that two recordings of one program are
equal and references can be followed. Left out: what AWS would refuse; that is what the emulator is for.
"""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi.runtime import mocks, rpc
from pulumi.runtime.proto import resource_pb2
from pulumi.runtime.settings import set_root_resource
from pulumi.runtime.stack import run_pulumi_func

from infra import types
from infra.environment import Environment
from infra.graph import Graph, Resource
from infra.program import create

ACCOUNT_ID = "000000000000"
"""No account at all: a recording belongs to none."""

PROJECT = "eps-dos-api"


def record(environment: Environment) -> Graph:
    """Return the graph of everything that `environment` consists of, as `pulumi up` would create it.

    Not to be called inside a running program: it takes the place of the engine in this process while it runs.
    """
    cloud = _Cloud(environment.aws.region)
    monitor = _Monitor(cloud, environment.name)
    # The monitor's methods and the program share one loop; a new one, so that no earlier recording is waited for.
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        # Otherwise the stack of an earlier recording would be the parent of everything in this one.
        set_root_resource(None)  # type: ignore[arg-type]  # Pulumi's own way to have none is not in its types
        mocks.set_mocks(cloud, PROJECT, environment.name, preview=False, monitor=monitor)
        loop.run_until_complete(run_pulumi_func(lambda: _run(environment)))
    finally:
        asyncio.set_event_loop(None)
        loop.close()
    # Registered concurrently, so in any order; sorted, so that two recordings are alike to the last line.
    return Graph.of(environment.name, sorted(monitor.recorded.values(), key=lambda resource: resource.urn))


def _run(environment: Environment) -> None:
    for name, value in create(environment).items():
        pulumi.export(name, value)


class _Cloud(mocks.Mocks):
    """Answers as AWS would, with values made from names."""

    def __init__(self, region: str) -> None:
        self._region = region

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        if not args.custom:
            return "", dict(args.inputs)
        kind = args.typ.rsplit(":", 1)[-1]
        identifier = f"{kind}-{args.name}-id"
        made = {
            "arn": f"arn:aws:recorded:{self._region}:{ACCOUNT_ID}:{kind}/{args.name}",
            "arnSuffix": f"{kind}/{args.name}/suffix",
            "allocationId": f"eipalloc-{args.name}",
            "dnsName": f"{args.name}.{kind}.recorded.invalid".lower(),
            "latestVersion": 1,
            "name": f"{args.name}-{kind}-name",
            "prefixListId": f"pl-{args.name}",
            # An address that can be nobody's (RFC 1122, section 3.2.1.3) and tells whose it would be.
            "publicIp": f"0.0.0.0/{args.name}",
            "zoneId": f"Z-{kind}-{args.name}",
        }
        return identifier, {**made, **args.inputs}

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        answers: Mapping[str, dict[str, Any]] = {
            "aws:index/getCallerIdentity:getCallerIdentity": {"accountId": ACCOUNT_ID},
            "aws:index/getPartition:getPartition": {"partition": "aws"},
            "aws:ec2/getAmi:getAmi": {"rootDeviceName": "/dev/xvda"},
            "aws:ec2/getAmiIds:getAmiIds": {"ids": ["ami-0"]},
            "aws:route53/getZone:getZone": {"zoneId": f"Z-{args.args.get('name')}"},
            "aws:ec2/getElasticIp:getElasticIp": {"publicIp": "0.0.0.0"},  # noqa: S104 - nothing is bound to it
        }
        if args.token not in answers:
            raise LookupError(f"{args.token} has no recorded answer; add one in infra/recording.py")
        asked = json.dumps(args.args, sort_keys=True, default=str)
        return {"id": f"{args.token.rsplit(':', 1)[-1]}({asked})", **answers[args.token]}, []


class _Monitor(mocks.MockMonitor):
    """Pulumi's own mock monitor, which besides keeps what the program asked for."""

    def __init__(self, cloud: mocks.Mocks, stack: str) -> None:
        super().__init__(cloud)
        self._stack = stack
        self.recorded: dict[str, Resource] = {}

    def make_urn(self, parent: str, type_: str, name: str) -> str:
        """Return the URN as the engine forms it: the types of all parents but the stack, then the resource's own."""
        parent_types = parent.split("::")[2] if parent else ""
        qualified = type_ if parent_types in {"", types.STACK} else f"{parent_types}${type_}"
        return f"urn:pulumi:{self._stack}::{PROJECT}::{qualified}::{name}"

    def RegisterResource(  # noqa: N802 - the name of the call in Pulumi's protocol
        self, request: resource_pb2.RegisterResourceRequest
    ) -> resource_pb2.RegisterResourceResponse:
        response: resource_pb2.RegisterResourceResponse = super().RegisterResource(request)  # type: ignore[no-untyped-call]
        inputs = _without_pulumis_own(rpc.deserialize_properties(request.object))
        outputs = _without_pulumis_own(rpc.deserialize_properties(response.object))
        self.recorded[response.urn] = Resource(
            urn=response.urn,
            type=request.type,
            inputs=inputs,
            outputs={**outputs, "id": response.id} if response.id else outputs,
            parent=request.parent or None,
            dependencies=tuple(sorted(request.dependencies)),
            protect=request.protect,
            retain_on_delete=request.retainOnDelete,
            ignore_changes=tuple(sorted(request.ignoreChanges)),
            provider=request.provider.rsplit("::", 1)[0],
        )
        return response


def _without_pulumis_own(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {key: rpc.unwrap_rpc_secret(value) for key, value in properties.items() if not key.startswith("__")}
