"""How the engine is found, installed or built; and what is said where that can't be done."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from lab.engine import go_build
from lab.engine.errors import EngineError
from lab.engine.setup import Engine, ensure, sdk_version
from tests.lab.engine.machine import WANTED, Machine, make, write_script

PROXY_SAYS = (
    f'github.com/pulumi/pulumi/pkg/v3@v{WANTED}: Get "https://proxy.example/mod/@v/v{WANTED}.zip":'
    " dial tcp: lookup proxy.example on 127.0.0.53:53: no such host"
)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A bare machine, on which this process is, too."""
    made = make(tmp_path)
    for name in (*os.environ,):
        if name.startswith(("GO", "PULUMI", "XDG_")):
            monkeypatch.delenv(name)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    return made


class Outcome(NamedTuple):
    engine: Engine
    said: list[str]


def set_up() -> Outcome:
    said: list[str] = []
    return Outcome(ensure(said.append), said)


def refusal() -> EngineError:
    with pytest.raises(EngineError) as caught:
        ensure(lambda _line: None)
    return caught.value


def left_in(machine: Machine) -> list[str]:
    return sorted(path.name for path in machine.engines.iterdir())


@pytest.mark.parametrize("version", [str(sdk_version()), "3.999.1"])
def test_a_fitting_pulumi_on_path_is_used_as_it_is(machine: Machine, version: str) -> None:
    """The SDK's version fits, and a newer minor one; with its own language host nothing else is needed or said."""
    cli = machine.install("pulumi", f"echo v{version}")
    machine.install("pulumi-language-python", "exit 1")
    assert set_up() == (
        Engine(cli=cli, version=version, source="path", bin_dirs=(cli.parent,)),
        [],
    )


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo v3.1.0", "it is 3.1.0; needed: "),
        ("echo v4.0.0", "it is 4.0.0; needed: "),
        ("echo hello", "(it says 'hello')"),
        ("exit 7", "(exit code 7)"),
    ],
)
def test_a_pulumi_that_does_not_fit_is_named_and_passed_over(machine: Machine, script: str, reason: str) -> None:
    """An old one, one of another major version and a broken one are reasons to build, not to fail."""
    unfit = machine.install("pulumi", script)
    machine.install_go()
    engine, said = set_up()
    assert engine.source == "go"
    assert [line for line in said if line.startswith(f"not using {unfit}: ") and reason in line] == said[:1]


def test_a_pulumi_without_language_host_is_given_the_projects(machine: Machine) -> None:
    """Only the scripts are fetched from the Go module, nothing is built."""
    cli = machine.install("pulumi", f"echo v{WANTED}")
    machine.install_go()
    engine = set_up().engine
    assert (engine.cli, engine.source, machine.builds) == (cli, "path", 0)
    parts = {path.name for folder in engine.bin_dirs[1:] for path in folder.iterdir() if os.access(path, os.X_OK)}
    assert parts == {"pulumi-language-python", "pulumi-language-python-exec"}


def test_the_installers_cli_is_kept_and_not_built_again(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the vendor's installer puts into bin/ is the engine, language host included."""
    site = machine.home / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        "import pathlib\n"
        "from pulumi.automation import PulumiCommand\n"
        "def install(root, version):\n"
        "    cli = pathlib.Path(root, 'bin', 'pulumi')\n"
        "    cli.write_text(f'#!/bin/sh\\necho v{version}\\n')\n"
        "    cli.chmod(0o755)\n"
        "PulumiCommand.install = install\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(site))
    engine, said = set_up()
    assert (engine.version, engine.source) == (WANTED, "installer")
    assert said[0] == f"installing the Pulumi CLI {WANTED} with the vendor's installer"
    assert set_up() == (engine, [])


def test_without_network_for_the_installer_the_cli_is_built_once(machine: Machine) -> None:
    """One line says that the installer failed; the second call finds all in place and is silent."""
    machine.install_go()
    engine, said = set_up()
    assert (engine.version, engine.source) == (WANTED, "go")
    assert [line for line in said if line.startswith("the vendor's installer failed (<urlopen error ")] == [said[1]]
    assert sorted(path.name for path in engine.cli.parent.iterdir()) == [
        "pulumi",
        "pulumi-language-python",
        "pulumi-language-python-exec",
    ]
    assert set_up() == (engine, [])
    assert machine.builds == 1


def test_a_cached_engine_that_no_longer_starts_is_built_anew(machine: Machine) -> None:
    """A power cut may leave an empty file under the right name."""
    machine.install_go()
    cli = set_up().engine.cli
    cli.write_text("")
    engine, said = set_up()
    assert (engine.version, machine.builds) == (WANTED, 2)
    assert said[0].startswith(f"the Pulumi CLI in {cli.parents[1]} is broken and is set up anew: ")


def test_its_environment_puts_the_engine_first_and_names_this_python(machine: Machine) -> None:
    """Language host, programs and packs run on PULUMI_PYTHON_CMD; folders come once, also if asked twice."""
    machine.install_go()
    engine = set_up().engine
    environment = engine.environment(engine.environment({"PATH": "/usr/bin", "KEPT": "yes"}))
    assert environment["PATH"] == f"{engine.cli.parent}:/usr/bin"
    assert subprocess.run([environment["PULUMI_PYTHON_CMD"], "-c", "import pulumi"], check=False).returncode == 0
    assert environment["KEPT"] == "yes"


def test_no_go_is_said_with_what_to_install(machine: Machine) -> None:
    """The error tells of both ways that failed, and which Go to install."""
    error = refusal()
    assert "the vendor's installer failed" in error.problem
    assert "there is no `go` on PATH" in error.problem
    assert error.remedy.startswith(f"install Go {go_build.required_go()} or newer")
    assert left_in(machine) == ["lock"]


@pytest.mark.parametrize(
    "version",
    [
        'echo "go version go1.19.13 linux/amd64"',
        'echo "go: go.mod requires go >= 1.26 (running go 1.24.2; GOTOOLCHAIN=local)" >&2; exit 1',
    ],
)
def test_a_go_that_is_too_old_is_named(machine: Machine, version: str) -> None:
    """Very old ones build until they fail; newer ones refuse go.mod by themselves."""
    go = machine.install_go(version=version)
    error = refusal()
    assert f"the Go on PATH ({go}) is " in error.problem
    assert re.search(r"1\.19\.13|1\.24\.2", error.problem)
    assert error.remedy.startswith(f"install Go {go_build.required_go()} or newer")
    assert machine.builds == 0


def test_a_module_that_cannot_be_downloaded_is_said_with_gos_words(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy's own message is passed on, and where it comes from."""
    monkeypatch.setenv("GOPROXY", "https://proxy.example")
    machine.install_go(list=f"echo 'go: downloading example v1' >&2; echo '{PROXY_SAYS}' >&2; exit 1")
    error = refusal()
    assert f"a Go module can't be downloaded (GOPROXY: https://proxy.example): {PROXY_SAYS}" in error.problem
    assert "set GOPROXY" in error.remedy
    assert left_in(machine) == ["lock"]


def test_a_disk_that_fills_up_is_called_that(machine: Machine) -> None:
    """Go's message names a file deep in its cache; the error says what it means."""
    machine.install_go(build="echo '# os/user: write $HOME/x: no space left on device' >&2; exit 1")
    error = refusal()
    assert "the disk is full" in error.problem
    assert error.remedy.startswith("free some gigabytes")
    assert left_in(machine) == ["lock"]


def test_a_nearly_full_disk_is_refused_before_anything_is_downloaded(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Minutes of work that can't end well are not begun."""
    machine.install_go()
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: shutil._ntuple_diskusage(10**12, 10**12, 10**8))
    error = refusal()
    assert "too little room to build the Pulumi CLI: 0.1 GB free" in error.problem
    assert "needed: 5.1 GB" in error.problem
    assert "list" not in (machine.home / "go-calls").read_text().split()


def test_another_failure_of_the_build_shows_its_last_words(machine: Machine) -> None:
    """What isn't known is shown, not guessed at."""
    machine.install_go(build="echo 'signal: killed (out of memory?)' >&2; exit 1")
    assert "the build of the Pulumi CLI failed. Go's last words:\nsignal: killed" in refusal().problem


def test_a_cache_that_cannot_be_written_is_said(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here a file stands where the folder should be; the remedy names the way out."""
    (machine.home / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(machine.home / "file"))
    error = refusal()
    assert f"{machine.home / 'file'}/eps-dos-api/engine can't be written: Not a directory" in error.problem
    assert "XDG_CACHE_HOME" in error.remedy


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/status")
    # A zombie that nobody has waited for is not running.
    return not status.exists() or "\nState:\tZ" not in status.read_text()


# A build that can be seen to be under way, and a compiler that it has started.
SLOW_BUILD = 'touch half-done; sleep 60 & echo $! > "$HOME/compiler"; echo $$ > "$HOME/building"; wait'


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_interrupted_it_ends_what_it_started_and_leaves_nothing(
    machine: Machine, number: signal.Signals, code: int
) -> None:
    """`go` and what `go` started are ended with it, and the folder that was being filled is gone."""
    machine.install_go(build=f'cd "$GOTMPDIR"; {SLOW_BUILD}')
    process = machine.start()
    wait_until((machine.home / "building").exists)
    wait_until(lambda: any(machine.engines.glob(".*/bin/half-done")))
    process.send_signal(number)
    _, said = process.communicate(timeout=120)
    assert process.returncode == code
    assert "Traceback" not in said
    assert left_in(machine) == ["lock"]
    for child in ("building", "compiler"):
        pid = int((machine.home / child).read_text())
        wait_until(lambda pid=pid: not is_running(pid))  # type: ignore[misc] # a default argument has no type here


def test_two_at_a_time_build_once(machine: Machine) -> None:
    """The second says that it waits, then takes what the first made."""
    machine.install_go(
        build='echo $$ > "$HOME/building"; until [ -e "$HOME/go-on" ]; do sleep 0.05; done;'
        ' while [ $# -gt 2 ]; do shift; done; printf "#!/bin/sh\\necho v%s\\n" "$WANTED" > "$1"; chmod +x "$1"'
    )
    first = machine.start()
    wait_until((machine.home / "building").exists)
    second = machine.start()
    assert second.stderr is not None
    assert second.stderr.readline().startswith("engine: waiting for another process that sets up the Pulumi CLI")
    (machine.home / "go-on").touch()
    answers = [process.communicate(timeout=120)[0] for process in (first, second)]
    assert answers[0] == answers[1] != ""
    assert (first.returncode, second.returncode, machine.builds) == (0, 0, 1)


def test_one_that_was_killed_leaves_no_lock_and_no_rest(machine: Machine) -> None:
    """Not even kill -9 makes somebody tidy up by hand."""
    machine.install_go(build=f'cd "$GOTMPDIR"; {SLOW_BUILD}')
    killed = machine.start()
    wait_until((machine.home / "building").exists)
    killed.kill()
    killed.communicate()
    os.killpg(int((machine.home / "building").read_text()), signal.SIGKILL)
    assert any(machine.engines.glob(".*.partial-*"))
    machine.install_go()
    engine = set_up().engine
    assert left_in(machine) == sorted(["lock", engine.cli.parents[1].name])


def test_a_command_line_says_what_is_wrong_without_traceback(machine: Machine) -> None:
    """`python -m lab.engine` exits with 3, "it could not be done"."""
    process = machine.start()
    answer, said = process.communicate(timeout=120)
    assert (process.returncode, answer) == (3, "")
    assert "Traceback" not in said
    assert f"    fix: install Go {go_build.required_go()} or newer" in said


def test_a_link_to_a_cli_elsewhere_is_followed_to_its_language_host(machine: Machine) -> None:
    """Package managers link the CLI alone; it finds what lies beside its real file by itself."""
    cellar = machine.home / "cellar"
    cellar.mkdir()
    write_script(cellar / "pulumi", f"echo v{WANTED}")
    write_script(cellar / "pulumi-language-python", "exit 1")
    (machine.bin_dir / "pulumi").symlink_to(cellar / "pulumi")
    assert set_up().engine.bin_dirs == (machine.bin_dir,)
