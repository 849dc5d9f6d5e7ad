"""Test data reaches a dataset whole and is recorded, whatever interrupts it; Live's is never touched."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from infra import access, testdata
from infra.environment import DatasetPlan, SupplierArea
from infra.errors import ConfigError
from ops import cli
from ops.aws.clients import Aws
from ops.dataset import command as dataset
from ops.dataset import sources
from ops.dataset.loading import copy, load
from ops.dataset.record import Load, records
from ops.dataset.sources import checked
from ops.stacks.place import Place
from tests.infra.sample import environment, mirror
from tests.ops.aws.leftover_world import Emulator, aws_of, emulator, tags
from tests.ops.aws.leftover_world import bucket as make_bucket

PLAN = environment("int").dataset
BUCKET = PLAN.bucket
OPERATORS_RIGHTS = ("s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:DeleteObject")
"""As docs/dataset.md gives them."""
REQUEST = "CHG0012345"
ACCOUNT = "123456789012"
CALLER = f"arn:aws:iam::{ACCOUNT}:root"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with emulator(tmp_path_factory.mktemp("emulator")) as made:
        yield made


@pytest.fixture(scope="module")
def clients(running: Emulator) -> Iterator[Aws]:
    with pytest.MonkeyPatch.context() as patch:
        yield aws_of(running, patch)


@pytest.fixture
def aws(running: Emulator, clients: Aws) -> Aws:
    """An account with Int's dataset, empty."""
    running.ask("POST", "reset")
    make_bucket(clients, BUCKET, tags("int"), objects=0)
    return clients


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two files, one of them in a folder."""
    folder = tmp_path / "data"
    (folder / "b").mkdir(parents=True)
    (folder / "a.csv").write_text("id,name\n1,Example\n")
    (folder / "b" / "c.json").write_text('{"id": 2}')
    return folder


def loaded(aws: Aws, source: Path, tell: Callable[[str], None] = lambda _: None, **options: Any) -> Load:
    return load(aws, options.pop("plan", PLAN), source, options.pop("request", REQUEST), tell, **options)


def contents(aws: Aws, name: str = BUCKET) -> dict[str, bytes]:
    """Everything but the records."""
    pages = aws.s3.get_paginator("list_objects_v2").paginate(Bucket=name)
    keys = [one["Key"] for page in pages for one in page.get("Contents", [])]
    return {key: body(aws, key, name) for key in keys if not key.startswith(testdata.RECORDS)}


def body(aws: Aws, key: str, name: str = BUCKET, **version: Any) -> bytes:
    return aws.s3.get_object(Bucket=name, Key=key, **version)["Body"].read()


def versions(aws: Aws) -> int:
    answer = aws.s3.list_object_versions(Bucket=BUCKET)
    return len(answer.get("Versions", [])) + len(answer.get("DeleteMarkers", []))


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_a_folder_is_loaded_and_recorded(aws: Aws, data: Path) -> None:
    done = loaded(aws, data)
    assert contents(aws) == {"a.csv": b"id,name\n1,Example\n", "b/c.json": b'{"id": 2}'}
    assert (done.request, done.source, done.who) == (REQUEST, str(data), CALLER)
    assert {key: one.sha256 for key, one in done.added.items()} == {
        key: sha256(content) for key, content in contents(aws).items()
    }
    assert (done.changed, done.adopted, done.removed, done.unchanged) == ({}, {}, {}, 0)
    for key, stored in done.added.items():
        assert body(aws, key, VersionId=stored.version) == contents(aws)[key]
    assert [*records(aws, BUCKET)] == [done]


def test_the_record_is_a_document_under_its_own_prefix(aws: Aws, data: Path) -> None:
    done = loaded(aws, data, request="RITM 1/../2")
    (one,) = aws.s3.list_objects_v2(Bucket=BUCKET, Prefix=testdata.RECORDS)["Contents"]
    said = body(aws, one["Key"])
    assert one["Key"] == f"_loads/{done.when}-RITM-1-..-2-{sha256(said)[:8]}.json"
    assert json.loads(said) == asdict(done)
    assert json.loads(said)["tool"].startswith("eps-dos ")


def test_one_file_is_loaded_by_its_name(aws: Aws, data: Path) -> None:
    assert [*loaded(aws, data / "b" / "c.json").added] == ["c.json"]
    assert contents(aws) == {"c.json": b'{"id": 2}'}


def test_loading_twice_changes_nothing_and_is_recorded_once(aws: Aws, data: Path) -> None:
    loaded(aws, data)
    before = versions(aws)
    again = loaded(aws, data)
    assert (again.is_empty, again.unchanged) == (True, 2)
    assert versions(aws) == before


def test_only_what_differs_is_uploaded_and_what_was_there_is_kept_as_a_version(aws: Aws, data: Path) -> None:
    first = loaded(aws, data)
    (data / "a.csv").write_text("id,name\n1,EXAMPLE\n")
    (data / "d.xml").write_text("<d/>")
    second = loaded(aws, data, request="CHG2")
    assert ([*second.added], [*second.changed], second.unchanged) == (["d.xml"], ["a.csv"], 1)
    assert body(aws, "a.csv") == b"id,name\n1,EXAMPLE\n"
    assert body(aws, "a.csv", VersionId=first.added["a.csv"].version) == b"id,name\n1,Example\n"
    assert {one.request for one in records(aws, BUCKET)} == {REQUEST, "CHG2"}


def test_what_isnt_in_the_folder_is_removed_only_if_asked_for(aws: Aws, data: Path) -> None:
    first = loaded(aws, data)
    (data / "a.csv").unlink()
    assert loaded(aws, data).is_empty
    assert "a.csv" in contents(aws)
    done = loaded(aws, data, replace=True)
    assert [*contents(aws)] == ["b/c.json"]
    markers = aws.s3.list_object_versions(Bucket=BUCKET)["DeleteMarkers"]
    assert done.removed == {"a.csv": markers[0]["VersionId"]}
    assert body(aws, "a.csv", VersionId=first.added["a.csv"].version)
    assert len([*records(aws, BUCKET)]) == 2


def test_a_dry_run_says_it_all_and_does_nothing(aws: Aws, data: Path) -> None:
    loaded(aws, data)
    (data / "a.csv").write_text("other\n")
    (data / "d.json").write_text("{}")
    (data / "b" / "c.json").unlink()
    before = versions(aws)
    said = loaded(aws, data, replace=True, dry_run=True)
    assert ([*said.added], [*said.changed], [*said.removed]) == (["d.json"], ["a.csv"], ["b/c.json"])
    assert versions(aws) == before
    done = loaded(aws, data, replace=True)
    assert ([*done.added], [*done.changed], [*done.removed]) == (["d.json"], ["a.csv"], ["b/c.json"])


def test_what_was_put_there_in_another_way_is_replaced_unless_s3_knows_that_it_is_the_same(
    aws: Aws, data: Path
) -> None:
    for key, known in (("a.csv", {"ChecksumAlgorithm": "SHA256"}), ("b/c.json", {})):
        aws.s3.put_object(Bucket=BUCKET, Key=key, Body=(data / key).read_bytes(), **known)  # type: ignore[arg-type]
    done = loaded(aws, data)
    assert ([*done.adopted], [*done.changed]) == (["a.csv"], ["b/c.json"])


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5])
def test_after_an_interruption_the_same_command_does_the_rest_and_all_is_recorded(
    aws: Aws, data: Path, number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the first, between two, or after the last object and before the record; 5 is the record itself."""
    for name in ("d.json", "e.json"):
        (data / name).write_text(f'"{name}"')
    calls: list[str] = []

    def interrupt(params: Any, **_: Any) -> None:
        calls.append(params["url_path"])
        if len(calls) == number:
            raise KeyboardInterrupt

    aws.s3.meta.events.register("before-call.s3.PutObject", interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            loaded(aws, data)
    finally:
        aws.s3.meta.events.unregister("before-call.s3.PutObject", interrupt)
    assert len(contents(aws)) == number - 1
    assert [*records(aws, BUCKET)] == []
    if number < 5:
        assert f"{number - 1} of 4 were done" in capsys.readouterr().err
    done = loaded(aws, data)
    assert (len(done.adopted), len(done.added)) == (number - 1, 5 - number)
    assert [*records(aws, BUCKET)] == [done]
    assert contents(aws) == {key: (data / key).read_bytes() for key in ("a.csv", "b/c.json", "d.json", "e.json")}
    assert versions(aws) == 5
    assert loaded(aws, data).is_empty


def test_an_interruption_while_it_compares_ends_it_at_once(aws: Aws, running: Emulator, data: Path) -> None:
    for number in range(100):
        (data / f"{number}.json").write_text("{}")
    loaded(aws, data)
    before, kept = running.ask("GET", "calls"), versions(aws)

    def interrupt(what: str) -> None:
        assert what == "compared 1 of 102"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        loaded(aws, data, interrupt)
    assert running.ask("GET", "calls")["s3.HeadObject"] - before.get("s3.HeadObject", 0) < 102
    assert versions(aws) == kept


def test_a_record_whose_first_answer_was_lost_counts_as_written(
    aws: Aws, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = aws.s3.put_object

    def twice(**arguments: Any) -> Any:
        if arguments["Key"].startswith(testdata.RECORDS):
            put(**arguments)
        return put(**arguments)

    monkeypatch.setattr(aws.s3, "put_object", twice)
    done = loaded(aws, data)
    assert [*records(aws, BUCKET)] == [done]
    assert versions(aws) == 3


def test_being_throttled_for_a_while_is_no_reason_to_stop(running: Emulator, aws: Aws, data: Path) -> None:
    running.ask("PUT", "faults", {"throttle": {"service": "s3", "action": "PutObject", "times": 2}})
    assert len(loaded(aws, data).added) == 2
    assert running.ask("GET", "faults")["throttle"] is None


def test_a_file_that_changes_while_it_is_loaded_is_left_as_it_was(aws: Aws, data: Path) -> None:
    files = checked(PLAN, data, REQUEST)
    (data / "b" / "c.json").write_text('{"id": ')
    with pytest.raises(ConfigError, match="was changed while it was loaded"):
        loaded(aws, data, files=files)
    assert [*contents(aws)] == ["a.csv"]


@pytest.mark.parametrize("plan", [replace(PLAN, kind="Live"), mirror("nft").dataset, replace(PLAN, owned=False)])
def test_what_nobody_loads_into_is_refused_before_anything_is_asked(
    running: Emulator, aws: Aws, data: Path, plan: DatasetPlan
) -> None:
    before = running.ask("GET", "calls")
    with pytest.raises(ConfigError, match=r"Live's dataset|no dataset of its own"):
        loaded(aws, data, plan=plan)
    with pytest.raises(ConfigError, match=r"Live's dataset|no dataset of its own"):
        copy(aws, BUCKET, plan, REQUEST, lambda _: None)
    assert running.ask("GET", "calls") == before


def test_all_that_is_wrong_is_told_at_once_and_nothing_is_asked(running: Emulator, aws: Aws, data: Path) -> None:
    before = running.ask("GET", "calls")
    (data / "a.csv").write_text("id,name\n1\n")
    (data / "d.json").write_text("{")
    (data / "e.exe").write_text("")
    (data / "f.json").symlink_to("/etc/hostname")
    (data / "g").symlink_to("/etc")
    (data / "dangling.csv").symlink_to("nowhere")
    os.mkfifo(data / "pipe.csv")
    with (data / "h.csv").open("wb") as large:
        large.truncate(testdata.LARGEST_FILE_BYTES + 1)
    with pytest.raises(ConfigError) as raised:
        loaded(aws, data, request="")
    told = {Path(one.where.rstrip(":")).name: one.message for one in raised.value.problems}
    assert sorted(told) == [
        "--request", "a.csv", "d.json", "dangling.csv", "e.exe", "f.json", "g", "h.csv", "pipe.csv",
    ]  # fmt: skip
    assert told["f.json"] == told["g"] == told["dangling.csv"] == told["pipe.csv"]
    assert running.ask("GET", "calls") == before


@pytest.mark.parametrize("made", ["nothing", "folder", "pipe", "link"])
def test_what_is_no_file_and_no_folder_with_one_is_refused(tmp_path: Path, made: str) -> None:
    path = tmp_path / "data"
    if made == "folder":
        (path / "empty").mkdir(parents=True)
    elif made == "pipe":
        os.mkfifo(path)
    elif made == "link":
        path.symlink_to(tmp_path / "nowhere")
    said = {"folder": "holds no file", "pipe": "is neither a file nor a folder"}.get(made, "isn't there")
    with pytest.raises(ConfigError, match=said) as raised:
        checked(PLAN, path, REQUEST)
    assert len(raised.value.problems) == 1


def test_a_folder_with_too_many_files_is_told_once(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (data / "b" / "not-data").write_text("")
    monkeypatch.setattr(testdata, "MOST_FILES", 2)
    with pytest.raises(ConfigError, match="data: holds more than 2 files") as raised:
        checked(PLAN, data, REQUEST)
    assert len(raised.value.problems) == 1
    (data / "b" / "not-data").unlink()
    assert len(checked(PLAN, data, REQUEST)) == 2


def test_what_cant_be_read_is_told(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rights don't keep root from reading, which tests may run as."""
    read = Path.read_bytes

    def refused(path: Path) -> bytes:
        if path.name == "c.json":
            raise PermissionError(13, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refused)
    with pytest.raises(ConfigError, match=r"c\.json: can't be read: Permission denied"):
        checked(PLAN, data, REQUEST)


def test_a_folder_that_cant_be_opened_is_told_and_not_passed_over(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    look = os.scandir

    def refused(path: str) -> Any:
        if Path(path).name == "b":
            raise PermissionError(13, "Permission denied", str(path))
        return look(path)

    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(ConfigError, match="b: can't be read: Permission denied"):
        checked(PLAN, data, REQUEST)


def test_a_name_that_isnt_utf_8_is_told(data: Path) -> None:
    (data / os.fsdecode(b"\xe9.csv")).write_text("a\n")
    with pytest.raises(ConfigError, match=r"\\udce9\.csv: has a name with signs that don't print"):
        checked(PLAN, data, REQUEST)


def test_suppliers_areas_are_theirs(aws: Aws, data: Path) -> None:
    area = SupplierArea(supplier="Example Ltd", account_id="111122223333", prefix="example/")
    plan = replace(PLAN, supplier_areas=(area,))
    aws.s3.put_object(Bucket=BUCKET, Key="example/a.json", Body=b"1")
    assert [*loaded(aws, data, plan=plan, replace=True).removed] == []
    assert "example/a.json" in contents(aws)
    (data / "example").mkdir()
    (data / "example" / "a.json").write_text("2")
    with pytest.raises(ConfigError, match="in the area of Example Ltd"):
        loaded(aws, data, plan=plan)


def test_a_dataset_that_isnt_there_yet_is_told_with_what_makes_it(aws: Aws, data: Path) -> None:
    plan = replace(PLAN, bucket="eps-dos-api-other-dataset")
    with pytest.raises(
        ConfigError, match=r"there is no dataset eps-dos-api-other-dataset yet\n    fix: eps-dos up int"
    ):
        loaded(aws, data, plan=plan, stack="int")


TEST = environment("pr-7").dataset


def test_a_copy_has_the_current_data_without_the_records_and_a_record_of_its_own(aws: Aws, data: Path) -> None:
    make_bucket(aws, TEST.bucket, tags("pr-7"), objects=0)
    loaded(aws, data)
    (data / "a.csv").write_text("id\n1\n")
    (data / "d.json").write_text("{}")
    loaded(aws, data)
    aws.s3.delete_object(Bucket=BUCKET, Key="d.json")
    aws.s3.put_object_tagging(Bucket=BUCKET, Key="a.csv", Tagging={"TagSet": [{"Key": "seen", "Value": "yes"}]})
    done = copy(aws, BUCKET, TEST, "made like int", lambda _: None)
    # Tags are left behind: copying them takes rights to tags.
    assert aws.s3.get_object_tagging(Bucket=TEST.bucket, Key="a.csv")["TagSet"] == []
    assert contents(aws, TEST.bucket) == contents(aws) == {"a.csv": b"id\n1\n", "b/c.json": b'{"id": 2}'}
    assert (done.request, done.source, [*done.added]) == ("made like int", f"s3://{BUCKET}", ["a.csv", "b/c.json"])
    assert done.added["a.csv"].sha256 == sha256(b"id\n1\n")
    assert [*records(aws, TEST.bucket)] == [done]
    again = copy(aws, BUCKET, TEST, "made like int", lambda _: None)
    assert (again.is_empty, again.unchanged) == (True, 2)
    (data / "a.csv").write_text("id\n2\n")
    loaded(aws, data / "a.csv")
    assert [*copy(aws, BUCKET, TEST, REQUEST, lambda _: None).changed] == ["a.csv"]
    assert contents(aws, TEST.bucket)["a.csv"] == b"id\n2\n"


def test_a_copy_is_taken_up_where_it_was_interrupted(aws: Aws, data: Path) -> None:
    make_bucket(aws, TEST.bucket, tags("pr-7"), objects=0)
    loaded(aws, data)

    def interrupt(what: str) -> None:
        if "b/c.json" in what:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy(aws, BUCKET, TEST, REQUEST, interrupt)
    done = copy(aws, BUCKET, TEST, REQUEST, lambda _: None)
    assert ([*done.adopted], [*done.added]) == (["a.csv"], ["b/c.json"])
    assert contents(aws, TEST.bucket) == contents(aws)


def test_what_is_too_large_for_one_request_is_copied_in_parts(
    aws: Aws, data: Path, monkeypatch: pytest.MonkeyPatch, running: Emulator
) -> None:
    make_bucket(aws, TEST.bucket, tags("pr-7"), objects=0)
    # The smallest that a part may be is 5 MiB, but for the last (Amazon S3 guide, multipart upload limits).
    monkeypatch.setattr(sources, "LARGEST_COPY_BYTES", 5 * 1024**2)
    monkeypatch.setattr(sources, "COPIED_PART_BYTES", 5 * 1024**2)
    large = b"0" * (11 * 1024**2)
    aws.s3.put_object(Bucket=BUCKET, Key="large.json", Body=large)
    aws.s3.put_object(Bucket=BUCKET, Key="small.json", Body=b"1")
    before = running.ask("GET", "calls")
    done = copy(aws, BUCKET, TEST, REQUEST, lambda _: None)
    after = running.ask("GET", "calls")
    assert after["s3.UploadPartCopy"] - before.get("s3.UploadPartCopy", 0) == 3
    assert after["s3.CopyObject"] - before.get("s3.CopyObject", 0) == 1
    assert body(aws, "large.json", TEST.bucket, VersionId=done.added["large.json"].version) == large


@pytest.mark.parametrize("tagged", [tags("live"), {}, {"Project": "eps-dos-api"}], ids=["Live's", "nobody's", "whose"])
def test_lives_data_and_nobodys_is_never_copied(aws: Aws, data: Path, tagged: dict[str, str]) -> None:
    make_bucket(aws, TEST.bucket, tags("pr-7"), objects=0)
    make_bucket(aws, "a-dataset", tagged)
    with pytest.raises(ConfigError, match=r"is Live's dataset|has no tag Environment"):
        copy(aws, "a-dataset", TEST, REQUEST, lambda _: None)
    assert contents(aws, TEST.bucket) == {}


def test_a_source_that_isnt_there_is_told(aws: Aws) -> None:
    with pytest.raises(ConfigError, match=r"s3://nowhere: there is no dataset nowhere yet"):
        copy(aws, "nowhere", PLAN, REQUEST, lambda _: None)


def as_role(
    aws: Aws, running: Emulator, name: str, monkeypatch: pytest.MonkeyPatch, allowed: Mapping[str, Sequence[str]]
) -> Aws:
    """Return the clients of a role that by its own policy may do in each bucket what is `allowed`."""
    trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
    arn = aws.iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy(trust))["Role"]["Arn"]
    rights = [
        {"Effect": "Allow", "Action": [*actions], "Resource": [f"arn:aws:s3:::{one}", f"arn:aws:s3:::{one}/*"]}
        for one, actions in allowed.items()
    ]
    if rights:
        aws.iam.put_role_policy(RoleName=name, PolicyName="dataset", PolicyDocument=policy(*rights))
    made = aws_of(running, monkeypatch)
    return Aws(replace(made._plan, assume_role_arns=(arn,)), made._place)


def policy(*statements: Mapping[str, object]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def test_operators_may_load_and_remove_and_others_are_told_who_may(
    aws: Aws, running: Emulator, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the bucket's policy as the program makes it, which the emulator evaluates."""
    plan = replace(PLAN, operator_role_arns=("operator",))
    aws.s3.put_bucket_policy(Bucket=BUCKET, Policy=access.as_json(access.dataset_policy(plan, ACCOUNT, "aws")))
    operator = as_role(aws, running, "operator", monkeypatch, {BUCKET: OPERATORS_RIGHTS})
    other = as_role(aws, running, "other", monkeypatch, {})
    with pytest.raises(ConfigError, match=r"AWS refuses you ListObjectsV2 in .*; allowed: its operators \(operator\)"):
        loaded(other, data, plan=plan, stack="int")
    assert contents(aws) == {}
    done = loaded(operator, data, plan=plan)
    assert done.who == f"arn:aws:sts::{ACCOUNT}:assumed-role/operator/eps-dos"
    (data / "a.csv").unlink()
    assert [*loaded(operator, data, plan=plan, replace=True).removed] == ["a.csv"]


def test_who_copies_needs_to_read_the_one_and_its_tags_and_to_write_the_other(
    aws: Aws, running: Emulator, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That it needs to read each object, the emulator doesn't ask."""
    make_bucket(aws, TEST.bucket, tags("pr-7"), objects=0)
    loaded(aws, data)
    reading = ["s3:GetBucketTagging", "s3:ListBucket", "s3:GetObject"]
    enough = {BUCKET: reading, TEST.bucket: OPERATORS_RIGHTS}
    short = {
        "tags": {**enough, BUCKET: reading[1:]},
        "write": {**enough, TEST.bucket: ["s3:ListBucket"]},
    }
    for name, rights in short.items():
        with pytest.raises(ConfigError, match=r"AWS refuses you (GetBucketTagging|CopyObject) in "):
            copy(as_role(aws, running, name, monkeypatch, rights), BUCKET, TEST, REQUEST, lambda _: None)
    assert contents(aws, TEST.bucket) == {}
    copy(as_role(aws, running, "maker", monkeypatch, enough), BUCKET, TEST, REQUEST, lambda _: None)
    assert contents(aws, TEST.bucket) == contents(aws)


CHECKOUT = Path(__file__).parents[3]


@pytest.fixture
def at_the_emulator(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Aws:
    """Commands in this process, with the stack files of the checkout and the emulator's AWS."""
    monkeypatch.chdir(CHECKOUT)
    monkeypatch.setattr(dataset, "place", lambda _in_lab: aws._place)
    return aws


def test_the_command_tells_each_change_and_how_many(
    at_the_emulator: Aws, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["dataset", "load", "int", str(data), "--request", REQUEST]) == 0
    assert capsys.readouterr().out == (
        "+ a.csv\n+ b/c.json\nint: 2 added, 0 changed, 0 removed, 0 unchanged\n"
    )  # fmt: skip
    (data / "a.csv").write_text("id\n")
    (data / "b" / "c.json").rename(data / "d.json")
    arguments = ["dataset", "load", "int", str(data), "--request", REQUEST, "--replace"]
    assert cli.run([*arguments, "--dry-run"]) == 0
    told = "+ d.json\n~ a.csv\n- b/c.json\nint: 1 added, 1 changed, 1 removed, 0 unchanged"
    assert capsys.readouterr().out == f"{told}; nothing was done\n"
    assert cli.run(arguments) == 0
    assert capsys.readouterr().out == f"{told}\n"
    assert cli.run(arguments) == 0
    assert capsys.readouterr().out == "int: 0 added, 0 changed, 0 removed, 2 unchanged; nothing was done\n"


def test_the_command_tells_programs_the_record(
    at_the_emulator: Aws, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["dataset", "load", "int", str(data), "--request", REQUEST, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said.pop("dryRun") is False
    assert [said] == [asdict(one) for one in records(at_the_emulator, BUCKET)]
    assert cli.run(["dataset", "log", "int", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [said]


def test_the_log_has_the_newest_first_and_leaves_out_what_is_no_record(
    at_the_emulator: Aws, data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli.run(["dataset", "log", "int"]) == 0
    assert capsys.readouterr().out == "none\n"
    for hour, request in ((10, "CHG1"), (9, "CHG2"), (11, "CHG3")):
        with monkeypatch.context() as patch:
            patch.setattr(Aws, "now", lambda _, hour=hour: datetime(2026, 11, 24, hour, tzinfo=UTC))
            (data / f"{request}.json").write_text("{}")
            loaded(at_the_emulator, data, request=request)
    for name, content in (("a.json", b"\xff"), ("b.json", b"[]"), ("c.json", b'{"request": "CHG4"}')):
        at_the_emulator.s3.put_object(Bucket=BUCKET, Key=f"_loads/{name}", Body=content)
    assert cli.run(["dataset", "log", "int"]) == 0
    told = capsys.readouterr()
    assert told.out.splitlines() == [
        f"2026-11-24T{hour}:00:00Z  {request}: {counts} unchanged; from {data}, by {CALLER}"
        for hour, request, counts in (
            ("11", "CHG3", "1 added, 0 changed, 0 removed, 4"),
            ("10", "CHG1", "3 added, 0 changed, 0 removed, 0"),
            ("09", "CHG2", "1 added, 0 changed, 0 removed, 3"),
        )
    ]
    # Whatever takes long says so between them.
    assert [line for line in told.err.splitlines() if not line.startswith("int: reading the records")] == [
        f"s3://{BUCKET}/_loads/{name}: is no record of a load; left out" for name in ("a.json", "b.json", "c.json")
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["live", "DATA", "--request", REQUEST], "live: answers from Live's dataset, eps-dos-api-live-dataset"),
        (["nft", "DATA", "--request", REQUEST], "nft: answers from Live's dataset, eps-dos-api-live-dataset"),
        (["int", "DATA", "--request", ""], "--request is ''; allowed: 1 to 100 printable ASCII characters"),
        (["int", "DATA"], "--request"),
        (["int", "nowhere", "--request", REQUEST], "nowhere: isn't there"),
        (["..", "DATA", "--request", REQUEST], "stack name is '..'"),
        (["a b", "DATA", "--request", REQUEST], "stack name is 'a b'"),
    ],
)
def test_wrong_use_is_told_before_anything_is_started(
    data: Path,
    arguments: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def started(_in_lab: bool) -> Place:
        raise AssertionError("nothing is to be started")

    monkeypatch.chdir(CHECKOUT)
    monkeypatch.setattr(dataset, "place", started)
    assert cli.run(["dataset", "load", *(str(data) if one == "DATA" else one for one in arguments)]) == 2
    told = capsys.readouterr()
    assert said in told.err
    assert "Traceback" not in told.err
    assert told.out == ""


@pytest.mark.parametrize("command", [["load", "dev", "DATA", "--request", REQUEST], ["log", "dev"]])
def test_an_environment_that_was_never_brought_up_is_told_with_what_brings_it_up(
    at_the_emulator: Aws, data: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["dataset", *(str(data) if one == "DATA" else one for one in command)]) == 2
    # Before it, on a slow machine, what is being read.
    assert capsys.readouterr().err.endswith(
        "dev: there is no dataset eps-dos-api-dev-dataset yet\n    fix: eps-dos up dev\n"
    )  # fmt: skip


def test_an_interrupted_command_ends_as_interrupted_and_says_what_is_done(
    at_the_emulator: Aws, data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    head = Path.read_bytes
    reads: list[Path] = []

    def interrupted(path: Path) -> bytes:
        reads.append(path)
        # Each is read once to be checked, and once to be sent.
        if len(reads) == 4:
            raise KeyboardInterrupt
        return head(path)

    monkeypatch.setattr(Path, "read_bytes", interrupted)
    assert cli.run(["dataset", "load", "int", str(data), "--request", REQUEST]) == 130
    told = capsys.readouterr()
    assert told.err == (
        "1 of 2 were done, and nothing is recorded yet; the same command does the rest and records what is there\n"
    )
    assert told.out == ""
