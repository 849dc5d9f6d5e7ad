"""The lab as a person meets it: started once, isolated, forgotten as a whole, and started anew after a crash."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from lab.engine.setup import Engine
from lab.errors import LabError, WrongUse
from lab.session import Lab, stack_option
from tests.labs import EPS_DOS, LabCopy

pytestmark = pytest.mark.engine


def emulators_of(copy: LabCopy) -> list[int]:
    """The processes that serve this lab, as the system sees them."""
    listed = subprocess.run(["ps", "-wweo", "pid=,command="], capture_output=True, text=True, check=True).stdout
    return [
        int(line.split()[0])
        for line in listed.splitlines()
        if "lab.emulator" in line and f"--ready-file {copy.checkout}/" in line
    ]


def git(checkout: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@example.invalid", *arguments]
    return subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=True).stdout


def test_start_is_done_once_and_stop_forgets_everything(small_lab: LabCopy) -> None:
    first = small_lab.eps_dos("lab", "start", check=True)
    running = small_lab.lab.status().running
    assert running is not None
    assert f"AWS of the lab: {running.endpoint}" in first.stderr
    assert first.stdout == ""
    small_lab.eps_dos("lab", "start", check=True)
    assert small_lab.lab.status().running == running
    small_lab.pulumi("up", "--stack", "dev", "--yes")
    assert small_lab.lab.status().stacks == ("dev",)

    stopped = small_lab.eps_dos("lab", "stop", check=True)
    assert "its AWS account, and the state of the stacks in it, are forgotten" in stopped.stderr
    assert emulators_of(small_lab) == []
    assert small_lab.lab.status().stacks == ()
    assert "not running" in small_lab.eps_dos("lab", "stop", check=True).stderr


def test_status_answers_programs_and_people(small_lab: LabCopy) -> None:
    stopped = small_lab.eps_dos("lab", "status", "--json")
    assert (stopped.returncode, json.loads(stopped.stdout)["running"]) == (1, False)
    small_lab.eps_dos("lab", "start", check=True)
    started = json.loads(small_lab.eps_dos("lab", "status", "--json", check=True).stdout)
    assert (started["running"], started["stacks"], started["unhealthyImages"]) == (True, [], [])
    assert f"running at {started['endpoint']}, process {started['pid']}" in small_lab.eps_dos("lab", "status").stdout


def test_plain_pulumi_works_in_the_lab_and_says_what_it_makes(small_lab: LabCopy) -> None:
    """The first `up` makes the stack, as the lab's backend is empty; the lab's AWS is what the program sees."""
    up = small_lab.pulumi("up", "--stack", "dev", "--yes")
    assert "$ pulumi stack init dev --no-select" in up.stderr
    assert "+ 1 created" in up.stdout
    outputs = json.loads(small_lab.pulumi("stack", "output", "--json", "--stack", "dev").stdout)
    running = small_lab.lab.status().running
    assert running is not None
    assert outputs == {"endpoint": running.endpoint, "size": "1"}
    again = small_lab.pulumi("preview", "--stack", "dev", "--expect-no-changes")
    assert "stack init" not in again.stderr


@pytest.mark.scenario
def test_what_pulumi_says_and_how_it_exits_is_passed_through(small_lab: LabCopy) -> None:
    failed = small_lab.pulumi("up", "--stack", "unknown", "--yes", check=False)
    assert failed.returncode not in (0, 1, 2, 3)
    assert "no stack named 'unknown' found" in failed.stderr
    assert "Usage:\n  pulumi preview" in small_lab.eps_dos("lab", "pulumi", "preview", "--help", check=True).stdout


@pytest.mark.scenario
def test_a_broken_stack_file_is_pulumis_error_and_nothing_else(small_lab: LabCopy) -> None:
    (small_lab.checkout / "Pulumi.dev.yaml").write_text("config: [")
    failed = small_lab.pulumi("up", "--stack", "dev", "--yes", check=False)
    assert failed.returncode not in (0, 3)
    assert failed.stderr.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in failed.stderr
    assert small_lab.lab.status().stacks == ()


@pytest.mark.scenario
def test_the_checkout_stays_as_it_is(small_lab: LabCopy) -> None:
    """Pulumi writes salts, settings and stack files; all of it stays in the lab, which says what it drops."""
    (small_lab.checkout / ".gitignore").write_text(".lab/\n")
    git(small_lab.checkout, "init", "--quiet")
    git(small_lab.checkout, "add", "--all")
    git(small_lab.checkout, "commit", "--quiet", "--message", "as it was")
    for stack in ("dev", "int"):
        small_lab.pulumi("up", "--stack", stack, "--yes")
    changed = small_lab.pulumi("config", "set", "size", "9", "--stack", "dev")
    assert "Pulumi.dev.yaml was changed in the lab's copy" in changed.stderr
    small_lab.pulumi("stack", "rm", "--yes", "--force", "--stack", "int")
    assert git(small_lab.checkout, "status", "--porcelain") == ""
    assert small_lab.pulumi("config", "get", "size", "--stack", "dev").stdout == "1\n"


@pytest.mark.scenario
def test_a_stack_of_the_lab_alone_keeps_its_file_until_the_lab_stops(small_lab: LabCopy) -> None:
    small_lab.pulumi("stack", "init", "a-test")
    small_lab.pulumi("config", "set", "size", "7", "--stack", "a-test")
    assert small_lab.pulumi("config", "get", "size", "--stack", "a-test").stdout == "7\n"
    small_lab.eps_dos("lab", "stop", check=True)
    small_lab.eps_dos("lab", "start", check=True)
    assert not (small_lab.checkout / ".lab" / "project" / "Pulumi.a-test.yaml").exists()


@pytest.mark.scenario
def test_an_emulator_that_was_killed_takes_its_stacks_along(small_lab: LabCopy) -> None:
    small_lab.pulumi("up", "--stack", "dev", "--yes")
    (emulator,) = emulators_of(small_lab)
    os.kill(emulator, signal.SIGKILL)
    after = small_lab.pulumi("stack", "ls", "--json")
    assert "ended without `eps-dos lab stop`" in after.stderr
    assert "without the state of dev" in after.stderr
    assert json.loads(after.stdout) == []
    (another,) = emulators_of(small_lab)
    assert another != emulator


@pytest.mark.scenario
def test_a_start_that_was_killed_halfway_is_done_again(small_lab: LabCopy) -> None:
    """An emulator without the account that belongs to it serves nobody: the next start ends it."""
    small_lab.eps_dos("lab", "start", check=True)
    (emulator,) = emulators_of(small_lab)
    (small_lab.checkout / ".lab" / "account.json").unlink()
    small_lab.eps_dos("lab", "start", check=True)
    (another,) = emulators_of(small_lab)
    assert another != emulator


@pytest.mark.scenario
def test_a_process_that_took_the_emulators_number_is_left_alone(small_lab: LabCopy) -> None:
    bystander = subprocess.Popen(["sleep", "60"])
    (small_lab.checkout / ".lab").mkdir()
    ready = {"port": 9, "pid": bystander.pid, "run": "gone"}
    (small_lab.checkout / ".lab" / "emulator.json").write_text(json.dumps(ready))
    try:
        small_lab.eps_dos("lab", "start", check=True)
        small_lab.eps_dos("lab", "stop", check=True)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


@pytest.mark.scenario
def test_two_starts_at_once_make_one_lab(small_lab: LabCopy) -> None:
    starts = [
        subprocess.Popen([EPS_DOS, "lab", "start"], cwd=small_lab.checkout, env=small_lab.environment) for _ in range(3)
    ]
    assert [start.wait(300) for start in starts] == [0, 0, 0]
    assert len(emulators_of(small_lab)) == 1


@pytest.mark.scenario
def test_ctrl_c_ends_pulumi_once_and_leaves_no_lock(small_lab: LabCopy) -> None:
    """The engine cancels and tidies up by itself; a second signal would have it leave things behind."""
    small_lab.eps_dos("lab", "start", check=True)
    running = subprocess.Popen(
        [EPS_DOS, "lab", "pulumi", "up", "--stack", "dev", "--yes", "--non-interactive"],
        cwd=small_lab.checkout,
        env={**small_lab.environment, "TAKE_SECONDS": "600"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    printed = ""
    assert running.stdout is not None
    while "the program runs" not in printed:
        printed += running.stdout.readline()
    os.killpg(running.pid, signal.SIGINT)
    rest, _ = running.communicate(timeout=120)
    assert running.returncode != 0
    assert rest.count("^C received") == 1
    assert list((small_lab.checkout / ".lab" / "backend").rglob("locks/**/*.json")) == []
    assert len(emulators_of(small_lab)) == 1


def test_a_port_in_use_is_one_error(small_lab: LabCopy) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = small_lab.eps_dos("lab", "start", "--port", str(port))
    assert refused.returncode == 2
    assert f"--port is {port}, and something else listens there; allowed: a free port" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert emulators_of(small_lab) == []


@pytest.mark.scenario
def test_the_port_can_be_chosen_and_not_changed_under_way(small_lab: LabCopy) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    small_lab.eps_dos("lab", "start", "--port", str(port), check=True)
    running = small_lab.lab.status().running
    assert running is not None
    assert running.port == port
    refused = small_lab.eps_dos("lab", "start", "--port", str(port + 1))
    assert refused.returncode == 2
    assert f"the lab runs at port {port} already" in refused.stderr


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_EC2"])
def test_an_endpoint_elsewhere_is_refused_before_anything_starts(small_lab: LabCopy, name: str) -> None:
    elsewhere = {name: "https://ec2.eu-west-2.amazonaws.com"}
    for command in (["start"], ["pulumi", "up", "--stack", "dev", "--yes"], ["env"]):
        refused = small_lab.eps_dos("lab", *command, variables=elsewhere)
        assert refused.returncode == 2
        assert f"{name} is 'https://ec2.eu-west-2.amazonaws.com'; allowed in the lab" in refused.stderr
    assert emulators_of(small_lab) == []


@pytest.mark.scenario
def test_nothing_of_the_users_accounts_and_backends_gets_into_the_lab(small_lab: LabCopy) -> None:
    outside = {
        "AWS_PROFILE": "production",
        "AWS_SESSION_TOKEN": "real",
        "AWS_REGION": "us-east-1",
        "HTTPS_PROXY": "http://proxy.example.invalid",
        "http_proxy": "http://proxy.example.invalid",
        "PULUMI_BACKEND_URL": "s3://production",
        "PULUMI_ACCESS_TOKEN": "real",
        "PULUMI_STACK": "live",
    }
    small_lab.eps_dos("lab", "start", check=True, variables=outside)
    printed = json.loads(small_lab.eps_dos("lab", "env", "--json", check=True, variables=outside).stdout)
    assert set(printed["unset"]) >= outside.keys() - {"AWS_REGION", "PULUMI_BACKEND_URL"}
    assert printed["set"]["AWS_REGION"] == "eu-west-2"
    assert printed["set"]["PULUMI_BACKEND_URL"] == f"file://{small_lab.checkout}/.lab/backend"
    assert printed["set"]["EPS_DOS_LAB"] == "1"
    small_lab.eps_dos("lab", "pulumi", "up", "--stack", "dev", "--yes", check=True, variables=outside)


@pytest.mark.scenario
def test_a_shell_can_enter_the_lab(small_lab: LabCopy) -> None:
    """Then plain `pulumi` works on the lab's copy, wherever it is started."""
    small_lab.pulumi("up", "--stack", "dev", "--yes")
    # Inside, it says the same.
    again = f'[ "$(cd "$OLDPWD" && {EPS_DOS} lab env)" = "$(echo "$said" | grep -v ^unset)" ]'
    script = f'said=$({EPS_DOS} lab env) && eval "$said" && cd / && pulumi stack output size --stack dev && {again}'
    shell = subprocess.run(
        ["sh", "-c", script],
        cwd=small_lab.checkout,
        env=small_lab.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (shell.returncode, shell.stdout) == (0, "1\n"), shell.stderr


def test_pulumi_can_not_be_sent_elsewhere(small_lab: LabCopy) -> None:
    for option in (["-C", ".."], ["--cwd=.."]):
        refused = small_lab.eps_dos("lab", "pulumi", *option, "up")
        assert refused.returncode == 2
        assert "the lab's copy of the project and nowhere else" in refused.stderr


def test_a_pace_that_is_no_number_is_one_error(small_lab: LabCopy) -> None:
    refused = small_lab.eps_dos("lab", "start", variables={"EPS_DOS_LAB_PACE": "fast"})
    assert refused.returncode == 2
    assert "EPS_DOS_LAB_PACE" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_new_release_in_the_catalogue_gets_its_image(small_lab: LabCopy) -> None:
    small_lab.eps_dos("lab", "start", check=True)
    with (small_lab.checkout / "releases.yaml").open("a") as file:
        file.write('  - {version: "1.1.0", image: another-image}\n')
    small_lab.eps_dos("lab", "fault", "unhealthy", "1.1.0", check=True)
    assert len(small_lab.lab.status().unhealthy_images) == 1
    small_lab.eps_dos("lab", "fault", "clear", check=True)
    assert small_lab.lab.status().unhealthy_images == ()
    unknown = small_lab.eps_dos("lab", "fault", "unhealthy", "9.9.9")
    assert unknown.returncode == 2
    assert "RELEASE is 9.9.9; allowed: a version of releases.yaml: 1.0.0, 1.1.0" in unknown.stderr


def test_what_needs_a_running_lab_says_so(small_lab: LabCopy) -> None:
    for command in (["env"], ["fault", "clear"]):
        refused = small_lab.eps_dos("lab", *command)
        assert (refused.returncode, refused.stderr) == (3, "the lab isn't running\n    fix: eps-dos lab start\n")


def test_a_folder_that_can_not_be_written_is_one_error(tmp_path: Path, engine: Engine) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: x\n")
    (tmp_path / ".lab").write_text("in the way")
    with pytest.raises(LabError, match="the lab can't work there"):
        Lab(tmp_path / ".lab", tmp_path).start(lambda _line: None)


def test_a_folder_without_a_project_is_wrong_use(tmp_path: Path, engine: Engine) -> None:
    with pytest.raises(WrongUse, match=r"there is no Pulumi\.yaml"):
        Lab(tmp_path / ".lab", tmp_path).start(lambda _line: None)


@pytest.mark.parametrize(
    ("arguments", "stack"),
    [
        (["up", "--stack", "dev"], "dev"),
        (["up", "--stack=dev", "--yes"], "dev"),
        (["-s", "dev", "up"], "dev"),
        (["up", "-sdev"], "dev"),
        (["up", "-s=dev"], "dev"),
        (["up", "--stack", "a", "--stack", "b"], "b"),
        (["up", "--stack"], None),
        (["config", "set", "key", "--", "--stack", "dev"], None),
        (["up"], None),
    ],
)
def test_the_stack_that_pulumi_is_told(arguments: list[str], stack: str | None) -> None:
    assert stack_option(arguments) == stack
