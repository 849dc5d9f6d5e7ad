"""Whatever people and backends hand us: an answer or an error that says where; no traceback or hang, nothing half done.

Each file that is read begins as a valid one and is damaged as files are: cut, in another encoding, with values of other
types, keys twice or missing, anchors, numbers and texts without end. EPS_DOS_FUZZ sets how many cases of each kind are
tried, anew each time; without it, it is a sample that is always the same.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, TypeAlias

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra import ephemeral, testdata
from infra.deciding import load_environment
from infra.errors import ReportedError
from infra.reaping import verdict
from infra.state import check_state
from ops.errors import explained
from ops.release.history import from_store as history_of
from ops.review.acknowledgements import read_acknowledgements
from ops.stacks.fleet import from_store
from ops.stacks.locks import project_name
from ops.stacks.stackfile import StackFile
from ops.stacks.store import Folder
from ops.status.obstacles import of_files
from tests.infra.stackfiles import CHECKOUT, project
from tests.infra.test_reaping import COMMITTED, LIMITS, NOW
from tests.ops.stacks.test_fleet import MARK, TAGS, VPC, lock, state

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CASES = int(os.environ.get("EPS_DOS_FUZZ", "0"))
HANG_SECONDS = 120
"""Far more than anything takes; a guard, and no measurement."""

Read: TypeAlias = Callable[[Path, bytes], object]

many = settings(
    max_examples=CASES or 40,
    derandomize=not CASES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)

ODD: Sequence[Any] = (
    None, True, False, 0, -1, 10**30, 2**63, 0.5, float("nan"), float("inf"), "", " ", "null", "1e9999",
    "0x" + "f" * 5000, "9" * 5000, "x" * 200_000, "\x1b[2J", "[bold]", "\u202e", "\ud800", "a\nb", "../..", "-y",
    [], {}, [[]], [None] * 50, {"a": {"b": {}}}, date(2026, 11, 29), {"": 1}, "10.0.0.0/8", "2026-13-45", "${x}",
    "*", "&a", *(f"@{number}@" for number in range(11)),
)  # fmt: skip
"""What stands in files where something else was meant; those in @ stand for what only YAML can write."""

RAW: Sequence[str] = (
    "0x" + "f" * 5000, "9" * 5000, ".nan", "-.inf", "2026-13-45", "2026-11-29", "!!binary x",
    "!!set {a, b}", "*a", "&a [1]", "1:30",
)  # fmt: skip

TAILS: Sequence[bytes] = (
    b"", b"\x00", b"\xff\xfe", b"\n\n", b"\r", b"\t", b"}", b"]", b'"', b": :", b"\n- a\n b: c", b"\n? [a]\n: b\n",
    b"\n!!python/x y\n", b"\nx: &a [1]\ny: [*a, *a]\n", b"\n<<: {a: 1}\n", b"\n---\na: 1\n", b"\n\xe2\x80\xae: 1\n",
    b"[" * 5000, b"{a: " * 5000,
    b"\na: 0x" + b"f" * 5000, b"\na: " + b"9" * 5000, b"\na: !!binary x\n", b"\na: 2026-13-45\n", b"\n%YAML 9.9\n",
)  # fmt: skip
"""What stands at the end, or anywhere, of a file that something went wrong with."""


def instead(odd: Any, _old: Any) -> Any:
    return odd


def beside(odd: Any, old: Any) -> Any:
    return {**old, "odd": odd} if isinstance(old, Mapping) else [old, odd]


def without_the_first(_odd: Any, old: Any) -> Any:
    return dict(list(old.items())[1:]) if isinstance(old, Mapping) and old else [old]


def twice(_odd: Any, old: Any) -> Any:
    return old * 2 if isinstance(old, list | str) else old


EDITS = (instead, beside, without_the_first, twice)


def nodes(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield where the values of a document stand."""
    yield path
    items = tree.items() if isinstance(tree, Mapping) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        yield from nodes(value, (*path, key))


def edited(tree: Any, path: tuple[Any, ...], edit: Callable[[Any], Any]) -> Any:
    """Return a document with what `edit` makes of the value at `path`."""
    if not path:
        return edit(tree)
    first, *rest = path
    if isinstance(tree, Mapping):
        return {key: edited(value, tuple(rest), edit) if key == first else value for key, value in tree.items()}
    return [edited(value, tuple(rest), edit) if number == first else value for number, value in enumerate(tree)]


@st.composite
def damaged(draw: st.DrawFn, tree: Any, write: Callable[[Any], bytes]) -> bytes:
    """Draw a file: a document with odd values, written, and then damaged as a file."""
    for _ in range(draw(st.integers(0, 3))):
        path = draw(st.sampled_from(list(nodes(tree))))
        odd = draw(st.sampled_from(ODD))
        edit = draw(st.sampled_from(EDITS))
        tree = edited(tree, path, partial(edit, odd))
    content = write(tree)
    how = draw(st.sampled_from(("whole", "cut", "inserted", "replaced", "encoded")))
    at = draw(st.integers(0, len(content)))
    tail = draw(st.sampled_from(TAILS))
    if how == "cut":
        return content[:at] + tail
    if how == "inserted":
        return content[:at] + tail + content[at:]
    if how == "replaced":
        return content[:at] + tail + content[at + max(len(tail), 1) :]
    if how == "encoded":
        return content.decode(errors="replace").encode(draw(st.sampled_from(("utf-8-sig", "utf-16", "utf-32"))))
    return content


def as_yaml(tree: Any) -> bytes:
    text = yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)
    for number, raw in enumerate(RAW):
        text = text.replace(f"'@{number}@'", raw)
    return text.encode(errors="surrogatepass")


def as_json(tree: Any) -> bytes:
    return json.dumps(tree, default=str).encode()


@contextmanager
def answering() -> Iterator[None]:
    """Fail on whatever isn't an answer or an error for people; an error must be printable where it stands."""

    def hang(_number: int, _frame: FrameType | None) -> None:
        raise AssertionError("it hangs")

    signal.signal(signal.SIGALRM, hang)
    signal.alarm(HANG_SECONDS)
    try:
        yield
    except ReportedError as error:
        text, code = explained(error)
        assert code in {1, 2, 3}
        assert "fault of eps-dos" not in text
    finally:
        signal.alarm(0)


def tree_of(name: str) -> Any:
    return yaml.safe_load((CHECKOUT / name).read_text())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project that a file is put into."""
    for name in ("ephemeral-limits.yaml", "review-acknowledgements.yaml"):
        shutil.copy(CHECKOUT / name, project(tmp_path))
    return tmp_path


CONFIGURATION = ("Pulumi.nft.yaml", "Pulumi.live.yaml", "releases.yaml", "suppliers.yaml")


@pytest.mark.parametrize("name", CONFIGURATION)
@many
@given(data=st.data())
def test_configuration(name: str, folder: Path, data: st.DataObject) -> None:
    (folder / name).write_bytes(data.draw(damaged(tree_of(name), as_yaml)))
    with answering():
        load_environment("nft", folder)


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("ephemeral-limits.yaml", ephemeral.limits_of),
        ("review-acknowledgements.yaml", lambda folder: read_acknowledgements(folder, date(2026, 11, 29))),
        ("Pulumi.yaml", project_name),
    ],
    ids=["limits", "acknowledgements", "project"],
)
@many
@given(data=st.data())
def test_other_files_of_the_project(
    name: str, read: Callable[[Path], object], folder: Path, data: st.DataObject
) -> None:
    entry = {"stack": "live", "danger": "x", "reason": "y", "until": "2026-12-01"}
    tree = tree_of(name) or {"acknowledgements": [entry]}
    (folder / name).write_bytes(data.draw(damaged(tree, as_yaml)))
    with answering():
        read(folder)


@many
@given(data=st.data(), value=st.sampled_from(["1.5.0", 3, 0.5, ["a"], {"a": 1}, None, True]))
def test_a_stack_file_is_edited_whole_or_not_at_all(folder: Path, data: st.DataObject, value: object) -> None:
    file = folder / "Pulumi.dev.yaml"
    content = data.draw(damaged(tree_of("Pulumi.dev.yaml"), as_yaml))
    file.write_bytes(content)
    key = data.draw(st.sampled_from(["release", "capacity", "tags", "new"]))
    with answering():
        opened = StackFile(file)
        try:
            opened.set(key, value)
            opened.save()
        except ReportedError:
            assert file.read_bytes() == content
            raise
        assert StackFile(file).get(key) == value
    assert [path.name for path in folder.iterdir() if path.name.startswith(".Pulumi")] == []


def as_csv(tree: Any) -> bytes:
    return "\n".join(f"{number},{value}" for number, value in enumerate(map(str, tree))).encode(errors="replace")


def as_xml(tree: Any) -> bytes:
    rows = "".join(f'<row length="{len(str(value))}"/>' for value in tree)
    return f"<rows>{rows}</rows>".encode()


@pytest.mark.parametrize(
    ("key", "write"), [("a.json", as_json), ("a.csv", as_csv), ("a.xml", as_xml)], ids=["json", "csv", "xml"]
)
@many
@given(data=st.data())
def test_test_data(key: str, write: Callable[[Any], bytes], data: st.DataObject) -> None:
    rows = [{"id": 1, "name": "a surgery"}, {"id": 2, "name": "another"}]

    def written(tree: Any) -> bytes:
        return write(tree if isinstance(tree, list) else [tree])

    content = data.draw(damaged(rows, written))
    with answering():
        for problem in testdata.problems_of_content(key, content):
            str(problem).encode()


PACKED: Sequence[Callable[[bytes], bytes]] = (bytes, gzip.compress, zstd.compress)
BACKEND = ".pulumi/stacks/eps-dos-api/pr-1"
FILES: Mapping[str, Any] = {
    f"{BACKEND}.json": json.loads(state(MARK, VPC, pending=1)),
    f"{BACKEND}.pulumi-tags": {"version": 1, "tags": TAGS},
    ".pulumi/locks/organization/eps-dos-api/pr-1/1.json": json.loads(lock(7, "a-runner")),
    ".pulumi/eps-dos/eps-dos-api/pr-1/1.json": {
        "pid": 7, "started_ticks": 1, "boot_id": "a", "pid_namespace": "b", "hostname": "a-runner",
        "at": "2026-10-25T00:30:00+00:00",
    },
    ".pulumi/history/eps-dos-api/pr-1/pr-1-1790000000000000001.history.json": {"kind": "update", "endTime": 1},
    ".pulumi/history/eps-dos-api/pr-1/pr-1-1790000000000000001.checkpoint.json": json.loads(state(MARK)),
    ".pulumi/meta.yaml": {"version": 1},
}  # fmt: skip


@pytest.mark.parametrize("name", FILES, ids=lambda name: name.rpartition("/")[2])
@many
@given(data=st.data())
def test_a_backend(name: str, tmp_path: Path, data: st.DataObject) -> None:
    """One damaged file is one stack's matter, whichever it is; nothing in the backend changes."""
    content = {path: as_json(tree) for path, tree in FILES.items()}
    content[".pulumi/stacks/eps-dos-api/pr-2.json"] = state(MARK)
    damage = data.draw(damaged(FILES[name], as_yaml if name.endswith(".yaml") else as_json))
    content[name] = data.draw(st.sampled_from(PACKED))(damage)
    for path, written in content.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(written)
    store = Folder(tmp_path)
    with answering():
        stacks = {facts.name: facts for facts in from_store(store, "eps-dos-api")}
        if name.startswith(BACKEND) or "pr-1" in name:
            assert stacks["pr-2"].marks
        for facts in stacks.values():
            assert verdict(facts, NOW, COMMITTED, LIMITS).reason.isprintable()
        history_of(store, "eps-dos-api", "pr-1")
        for obstacle in of_files(store, "eps-dos-api", "pr-1"):
            assert obstacle.what.isprintable()
    assert {path: (tmp_path / path).read_bytes() for path in content} == content


@many
@given(data=st.data())
def test_an_exported_state(data: st.DataObject) -> None:
    deployment = json.loads(state(MARK, VPC))["checkpoint"]["latest"]
    content = data.draw(damaged({"version": 3, "deployment": deployment}, as_json))
    try:
        exported = json.loads(content)
    except (ValueError, RecursionError):
        # Pulumi's export is JSON, or there is none.
        return
    if not isinstance(exported, dict):
        return
    with answering():
        check_state("pr-1", exported, None, "7.51.1", program_configures=False)


def test_what_was_reported(folder: Path) -> None:
    """The cases of public reports, each by itself."""
    # A field longer than Python's own limit, and blank lines at the end.
    assert testdata.problems_of_content("a.csv", b"a,b\n1," + b"x" * 200_000 + b"\n\n\n") == []
    (problem,) = testdata.problems_of_content("a.csv", b"a,b\n\n1,2\n")
    assert "has a blank line before line 3" in str(problem)
    # A comment between a key and its value.
    file = folder / "Pulumi.dev.yaml"
    file.write_text(
        "config:\n  eps-dos-api:release:  # which: this\n    # the: newest\n    1.4.0\n  aws:region: eu-west-2\n"
    )
    opened = StackFile(file)
    opened.set("release", "1.5.0")
    opened.save()
    assert yaml.safe_load(file.read_text())["config"] == {
        "eps-dos-api:release": "1.5.0", "aws:region": "eu-west-2",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("suppliers: &all []\n", "line 1, column 12: the anchor &all isn't allowed; write the value out"),
        ("a: *other\n", "line 1, column 4: the alias *other isn't allowed"),
        ("a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n", "the anchor &a isn't allowed"),
    ],
)
def test_anchors_are_refused_by_name(folder: Path, text: str, named: str) -> None:
    (folder / "suppliers.yaml").write_text(text)
    with pytest.raises(ReportedError, match=r"suppliers\.yaml: is no valid YAML") as caught:
        load_environment("nft", folder)
    assert named in str(caught.value)
