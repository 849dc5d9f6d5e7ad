"""What makes a preview slower and grows unnoticed. A test that fails here asks whether the growth is worth its time."""

from __future__ import annotations

import subprocess
import sys
from functools import cache

import pytest

from infra.deciding import load_environment
from infra.graph import Graph
from infra.recording import record
from tests.labs import ROOT

PRINT_PACKAGES = """
import sys
before = set(sys.modules)
import {modules}
names = {{name.partition(".")[0] for name in set(sys.modules) - before if getattr(sys.modules[name], "__file__", None)}}
print(*(name for name in names - sys.stdlib_module_names if name.isidentifier()))
"""

SDK = {"dill", "google", "grpc", "infra", "opentelemetry", "packaging", "pulumi", "semver", "typing_extensions", "yaml"}
SETTINGS = {"annotated_types", "pydantic", "pydantic_core", "typing_inspection"}
PACKAGES = {
    "infra.deciding, infra.program": SDK | SETTINGS | {"pulumi_aws"},
    "rollout.server": SDK | {"rollout"},
    "policy.pack": SDK | SETTINGS | {"policy", "pulumi_policy"},
}
"""What a process of each preview loads beside Python's own library: program, rollout's provider, policies."""


@pytest.mark.parametrize("modules", PACKAGES)
def test_nothing_more_is_loaded(modules: str) -> None:
    command = [sys.executable, "-c", PRINT_PACKAGES.format(modules=modules)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == PACKAGES[modules]


@pytest.mark.parametrize("stack", ["live", "nft", "int", "dev"])
def test_the_longest_chain_of_resources_that_wait_for_each_other_has_six(stack: str) -> None:
    """VPC, subnet, balancer, alarm, the alarm over all, and the rollout, which waits for everything."""
    assert longest_chain(record(load_environment(stack, ROOT))) == 6


def longest_chain(graph: Graph) -> int:
    """Return how many resources of a provider wait for each other at most."""

    @cache
    def length(urn: str) -> int:
        resource = graph.resources[urn]
        return bool(resource.provider) + max((length(one) for one in resource.dependencies), default=0)

    return max(length(urn) for urn in graph.resources)
