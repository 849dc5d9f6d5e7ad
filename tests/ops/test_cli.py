"""The command `eps-dos`: what it exits with, and that whatever goes wrong is one text."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import ClientError, NoCredentialsError, ProfileNotFound

from infra.errors import ConfigError
from lab import exclusive
from lab.engine.errors import EngineError
from lab.errors import LabError, WrongUse
from ops import cli
from ops.errors import RefusalError, explained
from ops.stacks.engine import NoSuchStackError, PulumiError
from ops.up import UpError
from tests.infra.stackfiles import project
from tests.labs import EPS_DOS, LabCopy


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (
            ConfigError.of("a file", "is wrong", "mend it"),
            2,
            "a file is wrong\n    fix: mend it",
        ),
        (RefusalError("pr-7 is taken", "choose another name"), 1, "pr-7 is taken\n    fix: choose another name"),
        (UpError("dev", 255), 3, "pulumi up of dev failed (exit code 255)"),
        (NoSuchStackError("dev"), 2, "stack dev is not in the backend"),
        (WrongUse("a port is in use", "take another"), 2, "a port is in use\n    fix: take another"),
        (LabError("no lab", "start it"), 3, "no lab\n    fix: start it"),
        (EngineError("no engine", "install one"), 3, "no engine\n    fix: install one"),
        (PulumiError("dev", "up", ["it broke"]), 3, "pulumi up of dev failed:\nit broke"),
        (
            ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetRole"),
            3,
            "AWS: An error occurred (Acc",
        ),
        (S3UploadFailedError("Failed to upload"), 3, "AWS: Failed to upload"),
        (
            NoCredentialsError(),
            2,
            "AWS: nobody is logged in, or no longer (Unable to locate credentials)\n    fix: aws",
        ),
        (
            ClientError({"Error": {"Code": "ExpiredToken"}}, "GetRole"),
            2,
            "AWS: nobody is logged in, or no longer (An e",
        ),
        (
            ProfileNotFound(profile="x"),
            2,
            "AWS: The config profile (x) could not be found\n    fix: aws configure list",
        ),
        (PermissionError(13, "Permission denied", "/a/file"), 3, "/a/file: Permission denied"),
        (KeyError("x"), 3, "This is a fault of eps-dos"),
    ],
    ids=lambda case: type(case).__name__ if isinstance(case, Exception) else None,
)
def test_every_error_is_a_text_and_an_exit_code(error: Exception, code: int, said: str) -> None:
    text, exit_code = explained(error)
    assert exit_code == code
    assert text.startswith(said) or said in text


def test_an_unknown_command_gets_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["lab", "statsu"]) == 2
    assert "No such command 'statsu'. Did you mean 'status'" in capsys.readouterr().err


@pytest.fixture
def in_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of files alone, which this process is in."""
    monkeypatch.chdir(project(tmp_path))
    return tmp_path


def test_alone_it_shows_the_stacks_by_their_files_and_the_next_step(
    in_project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run([]) == 0
    printed, said = capsys.readouterr()
    assert said == ""
    assert printed.startswith("Usage: eps-dos")
    *_, live, nft, _int, dev, _, following, lab = printed.splitlines()
    assert live.split() == ["live", "dos.eps.digital.nhs.uk", "1.4.0", "none", "published"]
    assert nft.split() == ["nft", "dos-NFT.eps.digital.nhs.uk", "1.4.0", "none", "published"]
    assert dev.split()[2] == "1.3.0"
    assert following.startswith("Next: eps-dos preflight live ")
    assert lab.split()[:4] == ["eps-dos", "up", "nft", "--lab"]


def test_alone_it_goes_on_with_what_has_no_addresses_yet_and_with_what_the_lab_has(
    in_project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = in_project / "Pulumi.live.yaml"
    published = "  eps-dos-api:virtualIps: {eu-west-2a: 192.0.2.1, eu-west-2b: 192.0.2.2, eu-west-2c: 192.0.2.3}\n"
    file.write_text(file.read_text() + published)
    state = in_project / ".lab/backend/.pulumi/stacks/eps-dos-api/dev.json"
    state.parent.mkdir(parents=True)
    state.touch()
    assert cli.run([]) == 0
    *_, following, lab = capsys.readouterr().out.splitlines()
    assert following.startswith("Next: eps-dos preflight nft ")
    assert lab.split() == ["eps-dos", "status", "--lab", "what", "is", "in", "the", "lab:", "dev"]


def test_alone_it_says_what_is_wrong_with_a_file_or_that_there_is_none(
    in_project: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (in_project / "Pulumi.dev.yaml").write_text("config: {aws:region: eu-west-2}\n")
    assert cli.run([]) == 0
    printed = capsys.readouterr().out
    assert "  dev   its file can't be used\n" in printed
    assert "Next: mend what is wrong.\nPulumi.dev.yaml: eps-dos-api:" in printed
    monkeypatch.chdir(tmp_path_factory.mktemp("nowhere"))
    assert cli.run([]) == 0
    assert "there is no Pulumi.yaml here or in a folder above" in capsys.readouterr().out


def completed(typed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return what bash is offered for the last word of what is `typed`, as its script asks."""
    words = typed.split(" ")
    monkeypatch.setenv("_EPS_DOS_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "\n".join(words))
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    with pytest.raises(SystemExit) as ended:
        cli.run([])
    assert not ended.value.code
    return capsys.readouterr().out.split()


STACKS, VERSIONS = ["dev", "int", "live", "nft"], ["1.5.0", "1.4.0", "1.3.0"]


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("eps-dos ve", ["verify"]),
        ("eps-dos dr", []),
        ("eps-dos up ", STACKS),
        ("eps-dos up n", ["nft"]),
        ("eps-dos up nft ", []),
        ("eps-dos review live ", STACKS),
        ("eps-dos release ", ["check", "promote", "apply"]),
        ("eps-dos release promote ", VERSIONS),
        ("eps-dos release promote 1.5.0 --to ", STACKS),
        ("eps-dos ephemeral create pr-7 --like i", ["int"]),
        ("eps-dos lab fault unhealthy 1.4", ["1.4.0"]),
        ("eps-dos up --l", ["--lab"]),
        ("eps-dos --in", ["--install-completion"]),
    ],
)
def test_a_shell_completes_commands_stacks_and_releases(
    typed: str, words: list[str], in_project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert completed(typed, monkeypatch, capsys) == words


@pytest.mark.parametrize("catalogue", ["", "releases: [1]", "releases: {", None])
def test_completion_says_nothing_where_there_is_nothing(
    catalogue: str | None, in_project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = in_project / "releases.yaml"
    file.unlink()
    if catalogue is not None:
        file.write_text(catalogue)
    assert completed("eps-dos release promote ", monkeypatch, capsys) == []


def test_what_the_tables_say_of_words_is_what_the_commands_take(
    in_project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once by the tables, once by the commands themselves, which an option makes it load."""
    every: Any = typer.main.get_command(cli.app)
    seen = 0
    for path, command in commands(every):
        if path[0] in cli.FOR_WORKFLOWS or path == ("lab", "pulumi"):
            continue
        typed = " ".join(("eps-dos", *path))
        by_tables = completed(f"{typed} ", monkeypatch, capsys)
        if hasattr(command, "commands"):
            assert sorted(by_tables) == sorted(command.commands), path
        else:
            flag = next((option for option in ("--json", "--lab", "--check") if f"{option}" in options(command)), "")
            assert by_tables == completed(f"{typed} {flag} ".replace("  ", " "), monkeypatch, capsys), path
            seen += bool(by_tables)
    assert seen > 10


def options(command: Any) -> set[str]:
    return {option for parameter in command.params for option in parameter.opts}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_script_that_asks_for_words(shell: str, tmp_path: Path) -> None:
    # Typer's own tests switch its look for the parent process off so, and the option then takes the shell's name.
    environment = {**os.environ, "HOME": str(tmp_path), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    done = subprocess.run(
        [EPS_DOS, "--install-completion", shell], env=environment, capture_output=True, text=True, check=True
    )
    assert f"{shell} completion installed in {tmp_path}" in done.stdout
    written = "".join(file.read_text() for file in tmp_path.rglob("*") if file.is_file())
    assert f"_EPS_DOS_COMPLETE=complete_{shell}" in written


@pytest.mark.parametrize(
    "command", [["up", "ntf"], ["preflight", "ntf"], ["review", "live", "ntf"], ["vips", "publish", "ntf"]]
)
def test_a_stack_without_a_file_gets_the_nearest(
    command: list[str], in_project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(command) == 2
    said = capsys.readouterr().err
    assert "Pulumi.ntf.yaml: is missing; stacks with a file: dev, int, live, nft; did you mean nft?\n" in said
    assert "    fix: the same with nft\n" in said


@pytest.mark.parametrize("arguments", [["up"], ["up", "a", "b"], ["lab", "start", "--port", "x"], ["up", "--no-such"]])
def test_wrong_use_exits_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(arguments) == 2
    assert "Usage: eps-dos" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--help"], ["lab", "-h"], ["up", "--help"], ["lab", "fault", "--help"]])
def test_help_goes_to_stdout(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(arguments) == 0
    assert "Usage: eps-dos" in capsys.readouterr().out


HEAVY = {"boto3", "botocore", "grpc", "jinja2", "pulumi", "pulumi_aws"}


def test_completing_a_word_loads_no_command(in_project: Path) -> None:
    program = "import sys; from ops import cli\ntry: cli.run([])\nfinally: print(*sys.modules, file=sys.stderr)"
    environment = {"_EPS_DOS_COMPLETE": "complete_bash", "COMP_WORDS": "eps-dos\nmirror\n", "COMP_CWORD": "2"}
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **environment}, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == STACKS
    assert set(done.stderr.split()) & {*HEAVY, "infra.deciding", "ops.mirror.command"} == set()


def test_help_fits_a_screen_and_loads_no_command() -> None:
    """A process of its own, as in this one other tests have loaded everything."""
    program = "import sys; from ops import cli; cli.run(['--help']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "COLUMNS": "80"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert len(lines) <= 32
    assert max(map(len, lines)) <= 80
    # Each on a line of its own, so none is cut.
    assert all(entry.help in done.stdout for entry in [*cli.COMMANDS.values(), *cli.MORE.values()])
    loaded = set(done.stderr.split())
    assert loaded & HEAVY == set()
    assert loaded & {entry.module for entry in [*cli.COMMANDS.values(), *cli.MORE.values()]} == set()


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every command and every group of them, with the words that call it."""
    for name, child in getattr(command, "commands", {}).items():
        yield (*path, name), child
        yield from commands(child, (*path, name))


def test_what_the_help_lists_is_what_the_commands_say_themselves() -> None:
    listed = {**cli.COMMANDS, **cli.MORE, **cli.FOR_WORKFLOWS}
    every: Any = typer.main.get_command(cli.app)
    different = {
        name: entry.help for name, entry in listed.items() if not every.commands[name].help.startswith(entry.help)
    }
    assert different == {}
    assert [*cli.COMMANDS] == ["up", "review", "verify", "release", "ephemeral", "dataset", "preflight", "status"]
    assert [*cli.MORE] == ["mirror", "docs", "lab", "vips"]


def test_every_command_has_an_example_that_it_takes() -> None:
    root: Any = typer.main.get_command(cli.app)
    for path, command in commands(root):
        examples = re.findall(r"Example: eps-dos (.*)$", f"{command.help}\n{command.epilog}", re.MULTILINE)
        assert len(examples) == 1, path
        words = shlex.split(examples[0])
        assert tuple(words[: len(path)]) == path
        # A group's example is of one of its commands.
        called = root
        while hasattr(called, "commands"):
            called = called.commands[words.pop(0)]
        # Raises if it is no such option, or one is missing.
        called.make_context(called.name, words)


@pytest.mark.parametrize("arguments", [["release", "list"], ["release", "status"], ["drift", "look", "int"]])
def test_a_name_that_is_gone_is_no_command(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(arguments) == 2
    assert f"No such command '{arguments[1]}'" in capsys.readouterr().err


def test_a_traceback_is_there_for_who_asks(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**_: object) -> None:
        raise ValueError("impossible")

    monkeypatch.setattr(cli, "app", broken)
    assert cli.run([]) == 3
    assert "eps-dos failed with ValueError: impossible" in capsys.readouterr().err
    monkeypatch.setenv("EPS_DOS_TRACEBACK", "1")
    cli.run([])
    assert "Traceback" in capsys.readouterr().err


def test_outside_a_project_it_says_so(unstarted_lab: LabCopy) -> None:
    nowhere = unstarted_lab.checkout.parent
    done = subprocess.run([EPS_DOS, "lab", "status"], cwd=nowhere, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "there is no Pulumi.yaml here or in a folder above" in done.stderr


def test_inside_the_labs_copy_it_is_the_checkouts_lab(unstarted_lab: LabCopy) -> None:
    unstarted_lab.lab.project.renew()
    copy = unstarted_lab.checkout / ".lab" / "project" / "infra"
    done = subprocess.run([EPS_DOS, "lab", "status"], cwd=copy, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "not running; start it with: eps-dos lab start\n")
    assert not (unstarted_lab.checkout / ".lab" / "project" / ".lab").exists()


def test_a_reader_who_goes_away_is_no_error() -> None:
    done = subprocess.run(
        ["sh", "-c", f"{EPS_DOS} --help | true; echo done"], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("done\n", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_command_exits_130(unstarted_lab: LabCopy, number: signal.Signals) -> None:
    """Here it waits for another command that holds the lab."""
    with exclusive.hold(unstarted_lab.checkout / ".lab" / "lock", lambda _waited: None):
        waiting = subprocess.Popen(
            [EPS_DOS, "lab", "stop"],
            cwd=unstarted_lab.checkout,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert waiting.stderr is not None
        assert "waiting for another command" in waiting.stderr.readline()
        os.kill(waiting.pid, number)
        assert waiting.wait(60) == 130
        assert "Traceback" not in waiting.stderr.read()
