"""A stack on the real engine: previewed, brought up, remembered, tagged, locked, destroyed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

import boto3
import pytest

from infra.errors import ConfigError
from infra.state import ArmedStateError
from ops.stacks.engine import NoBackendError, NoSuchStackError, PulumiError, StackHandle, backend_url, with_options_of
from ops.stacks.locks import locks, mend
from ops.stacks.place import Place
from ops.stacks.store import folder_of
from tests.shows.environments import until

pytestmark = pytest.mark.engine


def quiet(_line: str) -> None:
    """Tell nobody."""


def test_the_life_of_a_stack(small_place: Place, tmp_path_factory: pytest.TempPathFactory) -> None:
    stack = StackHandle("dev", small_place)
    assert not stack.exists()
    stack.create()
    stack.create()
    assert stack.exists()
    assert (stack.outputs(), stack.locks()) == ({}, ())

    plan = tmp_path_factory.mktemp("plans") / "plan.json"
    preview = stack.preview(quiet, plan=plan)
    assert preview.changes == {"create": 1}
    assert {"preludeEvent", "summaryEvent"} <= {key for event in preview.events for key in event}
    assert "resourcePlans" in json.loads(plan.read_text())

    brought_up = stack.up(quiet, plan=plan, message="first")
    assert brought_up.changes == {"create": 1}
    assert stack.outputs()["size"] == "1"
    assert [resource.type for resource in stack.graph()] == ["pulumi:pulumi:Stack"]
    assert stack.preview(quiet, refresh=True).changes == {"same": 1}

    (update,) = json.loads(stack._run(["stack", "history", "--json", "--stack", "dev"]))
    assert (update["kind"], update["result"], update["message"]) == ("update", "succeeded", "first")

    stack.set_tag("owner", "a tester")
    assert stack.tags()["owner"] == "a tester"

    assert stack.destroy(quiet).changes == {"delete": 1}
    stack.remove()
    assert not stack.exists()
    assert (small_place.checkout / "Pulumi.dev.yaml").exists()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (None, "Pulumi is logged in to no backend of states"),
        ("https://api.pulumi.com", "Pulumi is logged in to no backend of states"),
        ("s3://eps-dos-api-states?region=eu-west-2", "is in AWS, where nobody is logged in, or no longer"),
        ("file:///no/such/folder", "Pulumi is logged in to a folder of states that isn't there"),
    ],
)
def test_without_a_backend_it_says_so_in_a_sentence_and_the_next_command(
    url: str | None, said: str, small_place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "PULUMI_BACKEND_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path))
    if url is not None:
        monkeypatch.setenv("PULUMI_BACKEND_URL", url)
    for ask in (lambda: backend_url(small_place), StackHandle("dev", small_place).export):
        with pytest.raises(NoBackendError) as caught:
            ask()
        sentence, fix = str(caught.value).split("\n    fix: ")
        assert said in sentence
        assert "\n" not in sentence
        assert fix.startswith(("pulumi login", "aws sso login"))
        assert caught.value.exit_code == 2


def test_a_plan_says_what_options_a_resource_had_before_the_refresh_took_the_programs() -> None:
    def step(**old: object) -> dict[str, Any]:
        return {"resourcePreEvent": {"metadata": {"op": "same", "old": {"urn": "urn:a", "id": "1", **old}, "new": {}}}}

    state = {"deployment": {"resources": [{"urn": "urn:a", "id": "1", "protect": True, "inputs": {"x": 1}}]}}
    others: list[dict[str, Any]] = [
        {"summaryEvent": {}},
        {"resourcePreEvent": {"metadata": {"op": "create", "old": None, "new": {}}}},
    ]
    events = with_options_of(state, [step(retainOnDelete=True, delete=True), step(id="2"), *others])
    assert events == (step(protect=True, delete=True), step(id="2"), *others)
    assert with_options_of({"deployment": None}, others) == tuple(others)


@pytest.mark.scenario
def test_progress_is_told_while_it_runs(small_place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAKE_SECONDS", "1")
    told: list[str] = []
    stack = StackHandle("dev", small_place)
    stack.create()
    stack.up(told.append)
    assert "0 resources, now create eps-dos-api-dev" in told


@pytest.mark.scenario
def test_a_stack_that_is_not_there_is_wrong_use(small_place: Place) -> None:
    stack = StackHandle("dev", small_place)
    for ask in (stack.export, stack.outputs, stack.tags, lambda: stack.preview(quiet), lambda: stack.up(quiet)):
        with pytest.raises(NoSuchStackError, match="stack dev is not in the backend"):
            ask()


@pytest.mark.parametrize("name", ["../x", "-y", "", "a b", "Live", "x" * 200])
def test_a_name_that_no_stack_may_have_meets_no_command(name: str, tmp_path: Path) -> None:
    anywhere = Place(
        folder=tmp_path, checkout=tmp_path, cli=tmp_path, version="0", in_lab=False, check_endpoint=lambda one: one
    )
    with pytest.raises(ConfigError, match="stack name is"):
        StackHandle(name, anywhere)


@pytest.mark.scenario
def test_a_program_that_fails_is_an_error_with_its_message(small_place: Place) -> None:
    (small_place.folder / "infra" / "__main__.py").write_text("import pulumi\nraise pulumi.RunError('too small')\n")
    stack = StackHandle("dev", small_place)
    stack.create()
    for operation in (stack.preview, stack.up):
        with pytest.raises(PulumiError) as caught:
            operation(quiet)
        assert any("too small" in message for message in caught.value.messages)
        assert not any("Traceback" in message for message in caught.value.messages)
        assert caught.value.events


def test_a_state_that_somebody_armed_starts_nothing(
    small_place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = tmp_path / "started"
    plugin = tmp_path / "pulumi-resource-armed"
    plugin.write_text(f"#!/bin/sh\ntouch {started}\n")
    plugin.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    stack = StackHandle("dev", small_place)
    stack.create()
    stack.up(quiet)
    exported = json.loads(json.dumps(stack.export()))
    provider = {"urn": "urn:pulumi:dev::eps-dos-api::pulumi:providers:armed::x", "type": "pulumi:providers:armed"}
    thing = {"urn": "urn:pulumi:dev::eps-dos-api::armed:index:Thing::x", "type": "armed:index:Thing"}
    exported["deployment"]["resources"] += [
        {**provider, "custom": True, "id": "1"},
        {**thing, "custom": True, "id": "2", "provider": f"{provider['urn']}::1"},
    ]
    (tmp_path / "state.json").write_text(json.dumps(exported))
    plain = ("pulumi", "--cwd", str(small_place.folder), "--stack", "dev")
    subprocess.run([*plain, "stack", "import", "--file", str(tmp_path / "state.json")], check=True)

    for operation in (
        stack.preview,
        lambda tell: stack.preview(tell, refresh=True),
        stack.up,
        stack.destroy,
    ):
        with pytest.raises(ArmedStateError, match="pulumi:providers:armed::x: is a provider of kind armed"):
            operation(quiet)
    assert not started.exists()

    # What would have happened without: the engine starts whatever the state names.
    subprocess.run([*plain, "refresh", "--yes", "--skip-preview"], check=False)
    assert started.exists()


def test_without_the_aws_provider_s_plugin_nothing_is_run(
    small_place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in os.environ["PATH"].split(os.pathsep):
        if (Path(folder) / "pulumi-resource-aws").exists():
            monkeypatch.setenv("PATH", os.environ["PATH"].replace(folder, str(tmp_path)))
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path))
    installed = tmp_path / "plugins" / f"resource-aws-v{version('pulumi-aws')}"
    stack = StackHandle("dev", small_place)
    stack.create()
    with pytest.raises(ConfigError, match=r"pulumi plugin install resource aws \d"):
        stack.up(quiet)
    installed.mkdir(parents=True)
    assert stack.up(quiet).changes == {"create": 1}


@pytest.mark.scenario
def test_what_changes_a_stack_is_written_down_before_it_locks_it(
    small_place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed at any moment, its lock is known for what it is, and only that lock is removed."""
    monkeypatch.setenv("TAKE_SECONDS", "8")
    stack = StackHandle("dev", small_place)
    stack.create()
    folder = Path(os.environ["PULUMI_BACKEND_URL"].removeprefix("file://"))
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(stack.up, quiet)
        until(lambda: bool(stack.locks()))
        (lock,) = stack.locks()
        assert (lock.dead, lock.hostname) == (False, socket.gethostname())
        (written,) = (json.loads(path.read_text()) for path in folder.glob(".pulumi/eps-dos/eps-dos-api/dev/*.json"))
        assert written["pid"] == lock.pid
        # What it says in order is gone with it; what a killed run leaves is put there again.
        os.kill(lock.pid, signal.SIGKILL)
        with pytest.raises(PulumiError):
            running.result()
    assert list(folder.glob(".pulumi/eps-dos/eps-dos-api/dev/*.json")) == []
    (lock,) = stack.locks()
    assert lock.dead is None
    (folder / ".pulumi/eps-dos/eps-dos-api/dev/a.json").write_text(json.dumps(written))
    (lock,) = stack.locks()
    assert lock.dead is True
    with pytest.raises(PulumiError, match=r"up of dev failed:\nthe stack is currently locked by 1 lock\(s\)"):
        stack.up(quiet)
    stack.release([lock.path])
    assert stack.locks() == ()
    monkeypatch.delenv("TAKE_SECONDS")
    stack.up(quiet)


@pytest.mark.scenario
def test_a_bucket_keeps_stacks_and_locks_as_a_folder_does(small_place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = os.environ["AWS_ENDPOINT_URL"]
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="state", CreateBucketConfiguration={"LocationConstraint": "eu-west-2"})
    url = f"s3://state/team?region=eu-west-2&endpoint={endpoint}&s3ForcePathStyle=true"
    monkeypatch.setenv("PULUMI_BACKEND_URL", url)
    stack = StackHandle("dev", small_place)
    stack.create()
    stack.up(quiet)
    assert stack.outputs()["size"] == "1"
    assert stack.locks() == ()
    content = {"pid": 1, "username": "a", "hostname": "another-machine", "timestamp": "2026-11-01T10:00:00Z"}
    key = "team/.pulumi/locks/organization/eps-dos-api/dev/an-id.json"
    s3.put_object(Bucket="state", Key=key, Body=json.dumps(content).encode())
    (lock,) = stack.locks()
    assert (lock.username, lock.dead) == ("a", None)
    stack.cancel()
    assert stack.locks() == ()


@pytest.mark.scenario
@pytest.mark.parametrize("cut_short", ["", '{"user.content_type":'])
def test_what_somebody_killed_while_writing_left_is_mended(small_place: Place, cut_short: str) -> None:
    stack = StackHandle("dev", small_place)
    stack.create()
    stack.up(quiet)
    folder = folder_of(os.environ["PULUMI_BACKEND_URL"])
    assert folder is not None
    stacks = folder / ".pulumi" / "stacks" / "eps-dos-api"
    (stacks / "dev.json.attrs").write_text(cut_short)
    (stacks / "dev.json.18bc0f1a2.tmp").write_text('{"version": 3')
    # Somebody else's.
    (stacks / "dev.eu.json.attrs").write_text("")
    whole = {one: one.read_bytes() for one in stacks.iterdir() if not one.name.startswith("dev.json.")}
    # Whenever the engine says something else, the reason to mend is gone.
    with pytest.raises(PulumiError, match="EOF"):
        stack.export()
    assert stack.mend() == ("dev.json.18bc0f1a2.tmp", "dev.json.attrs")
    assert stack.export()["deployment"]["resources"]
    assert stack.mend() == ()
    assert {one: one.read_bytes() for one in whole} == whole


def test_in_another_kind_of_backend_there_are_no_locks_to_see_and_nothing_to_mend() -> None:
    assert locks("https://api.pulumi.com", "eps-dos-api", "dev") == ()
    assert mend("https://api.pulumi.com", "eps-dos-api", "dev") == ()
