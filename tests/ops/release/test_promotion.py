"""A promotion in the files: what is written, what stays to the byte, and that it is all or nothing."""

from dataclasses import replace
from pathlib import Path

import pytest

from infra.deciding import load_environment
from infra.errors import ConfigError
from infra.promotion import Exemption, Pipeline, promoted
from infra.settings import Override
from ops.release import pipeline as release_look
from ops.release.promotion import write
from ops.stacks.stackfile import StackFile
from tests.infra.stackfiles import CHECKOUT

NAMES = ("dev", "int", "live", "nft")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The checkout's files, comments and all, with int and nft on the release after Live's."""
    for source in (*CHECKOUT.glob("Pulumi*.yaml"), CHECKOUT / "releases.yaml", CHECKOUT / "suppliers.yaml"):
        (tmp_path / source.name).write_bytes(source.read_bytes())
    for name, version in {"live": "1.4.0", "nft": "live+1", "int": "live+1"}.items():
        file = StackFile(tmp_path / f"Pulumi.{name}.yaml")
        file.set("release", version)
        file.save()
    return tmp_path


def pipeline(folder: Path) -> Pipeline:
    known = release_look.environments(folder)
    return release_look.pipeline(known, release_look.catalogue(folder), dict.fromkeys(known))


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / f"Pulumi.{name}.yaml").read_bytes() for name in NAMES}


def releases(folder: Path) -> dict[str, str]:
    return {name: load_environment(name, folder).service.release for name in NAMES}


def test_promoting_live_rewrites_the_words_of_others_in_the_same_step_and_nothing_else(folder: Path) -> None:
    before, was = pipeline(folder), contents(folder)
    assert write(folder, before, promoted(before, "1.5.0", "live"), "live") == (
        "Pulumi.int.yaml",
        "Pulumi.live.yaml",
        "Pulumi.nft.yaml",
    )
    assert contents(folder) == {
        "dev": was["dev"],
        "int": was["int"].replace(b"release: live+1\n", b"release: live\n"),
        "live": was["live"].replace(b'release: "1.4.0"\n', b'release: "1.5.0"\n'),
        "nft": was["nft"].replace(b"release: live+1\n", b"release: live\n"),
    }
    assert {name: releases(folder)[name] for name in ("int", "live", "nft")} == dict.fromkeys(
        ("int", "live", "nft"), "1.5.0"
    )


def test_what_is_so_already_is_not_written(folder: Path) -> None:
    before, was = pipeline(folder), contents(folder)
    assert write(folder, before, promoted(before, "1.4.0", "live"), "live") == ()
    assert contents(folder) == was


def test_an_overridden_gate_is_recorded_until_the_next_promotion(folder: Path) -> None:
    before = pipeline(folder)
    overridden = Exemption(
        release="1.5.0", overrides=(Override.EVIDENCE, Override.ALARMS), reason='CVE-2026-1: "urgent", # agreed'
    )
    write(folder, before, promoted(before, "1.5.0", "live", overridden), "live")
    recorded = pipeline(folder)
    assert recorded.stages["live"].exemption == overridden
    write(folder, recorded, promoted(recorded, "1.5.0", "live"), "live")
    assert pipeline(folder).stages["live"].exemption is None


def test_a_mirror_has_a_record_of_its_own(folder: Path) -> None:
    before = pipeline(folder)
    back = Exemption(release="1.4.0", rollback_from="1.5.0")
    assert write(folder, before, promoted(before, "1.4.0", "nft", back), "nft") == ("Pulumi.nft.yaml",)
    assert releases(folder)["nft"] == "1.4.0"
    assert pipeline(folder).stages["nft"].exemption == back


@pytest.mark.parametrize(
    ("record", "overridden"),
    [
        (None, False),
        (Exemption(release="1.5.0", overrides=(Override.ALARMS,), reason="incident 4711"), True),
        (Exemption(release="1.5.0", rollback_from="1.6.0"), True),
        (Exemption(release="1.5.0", overrides=(Override.EVIDENCE,), reason="incident 4711"), False),
        (Exemption(release="1.4.0", overrides=(Override.ALARMS,), reason="incident 4711"), False),
    ],
)
def test_what_is_recorded_decides_whether_an_alarm_may_ring(
    folder: Path, record: Exemption | None, overridden: bool
) -> None:
    before = pipeline(folder)
    write(folder, before, promoted(before, "1.5.0", "live", record), "live")
    assert load_environment("live", folder).rollout.alarms_overridden is overridden


def test_if_one_file_cannot_be_written_none_is(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, was = pipeline(folder), contents(folder)
    save = StackFile.save

    def save_but_nft(file: StackFile) -> bool:
        if file.path.name == "Pulumi.nft.yaml":
            file.path.write_bytes(was["nft"] + b"# somebody else's\n")
        return save(file)

    monkeypatch.setattr(StackFile, "save", save_but_nft)
    with pytest.raises(ConfigError, match="was changed by somebody else"):
        write(folder, before, promoted(before, "1.5.0", "live"), "live")
    assert contents(folder) == {**was, "nft": was["nft"] + b"# somebody else's\n"}


def test_an_environment_for_one_test_is_marked_as_such(folder: Path) -> None:
    known = release_look.environments(folder)
    made = {"createdAt": "2026-11-23T00:00:00Z", "expiresAt": "2026-11-24T00:00:00Z", "owner": "t", "like": "dev"}
    short = replace(known["dev"], settings={**known["dev"].settings, "eps-dos-api:ephemeral": made})
    stages = release_look.pipeline({**known, "dev": short}, release_look.catalogue(folder), {}).stages
    assert {name: stage.lasting for name, stage in stages.items()} == {
        "dev": False,
        "int": True,
        "live": True,
        "nft": True,
    }


def test_a_stack_without_a_file_is_refused_by_name(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"stack nfft has no file; allowed: dev, int, live, nft"):
        release_look.environments(folder, "nfft")
