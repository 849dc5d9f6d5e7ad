"""The lab's copy of the project: what it takes from the checkout, what it keeps, and what never comes back."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from lab.errors import LabError, WrongUse
from lab.project import Project, stack_of

STACK = """\
# Dev.
config:
  eps-dos-api:size: 1  # small
secretsprovider: awskms://alias/a-key
encryptedkey: abc
encryptionsalt: v1:the-checkout's
# The end.
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    checkout = tmp_path / "checkout"
    (checkout / "infra").mkdir(parents=True)
    (checkout / "infra" / "__main__.py").write_text("1\n")
    (checkout / "Pulumi.yaml").write_text("name: x\n")
    (checkout / "Pulumi.dev.yaml").write_text(STACK)
    (checkout / "README.md").write_text("not the program's\n")
    return Project(tmp_path / "copy", checkout)


def test_the_copy_holds_what_the_program_is_made_of_and_nothing_else(project: Project) -> None:
    project.renew()
    there = {str(path.relative_to(project.folder)) for path in project.folder.rglob("*") if path.is_file()}
    assert there == {".copied", "Pulumi.yaml", "Pulumi.dev.yaml", "infra/__main__.py"}
    assert (project.folder / ".venv").readlink() == Path(sys.prefix)


def test_how_the_checkout_encrypts_is_left_out_and_all_else_is_as_it_was(project: Project) -> None:
    project.renew()
    copy = (project.folder / "Pulumi.dev.yaml").read_text()
    assert copy == "# Dev.\nconfig:\n  eps-dos-api:size: 1  # small\n# The end.\n"


def test_the_copys_own_salt_stays_wherever_pulumi_wrote_it(project: Project) -> None:
    project.renew()
    file = project.folder / "Pulumi.dev.yaml"
    file.write_text("encryptionsalt: v1:the-lab's\n" + file.read_text())
    project.renew()
    assert file.read_text().startswith("encryptionsalt: v1:the-lab's\n# Dev.")
    (project.checkout / "Pulumi.dev.yaml").write_text("config: {}")
    project.renew()
    assert file.read_text() == "config: {}\nencryptionsalt: v1:the-lab's\n"


def test_an_encryption_setting_over_several_lines_goes_as_a_whole(project: Project) -> None:
    (project.checkout / "Pulumi.dev.yaml").write_text("encryptedkey: >\n  abc\n  def\nconfig: {}\n")
    project.renew()
    assert (project.folder / "Pulumi.dev.yaml").read_text() == "config: {}\n"


def test_which_account_a_stack_belongs_to_is_left_out(project: Project) -> None:
    """The lab's account is another one; a stack that names its own would be refused there."""
    file = project.checkout / "Pulumi.dev.yaml"
    kept = "config:\n  aws:region: eu-west-2\n  # To be decided.\n  x:size: 1\n"
    file.write_text(
        'config:\n  aws:allowedAccountIds: ["111122223333"]\n  aws:region: eu-west-2\n  "aws:profile": a-profile\n'
        '  # To be decided.\n  x:size: 1\n  aws:allowedAccountIds:\n  - "111122223333"\n    # which?\n  - x\n'
    )
    project.renew()
    assert (project.folder / "Pulumi.dev.yaml").read_text() == kept
    assert project.changed_by_pulumi() == ()


def test_hosted_zones_are_those_of_all_stacks(project: Project) -> None:
    (project.checkout / "Pulumi.dev.yaml").write_text("config: {x:hostedZone: a.example}\n")
    (project.checkout / "Pulumi.int.yaml").write_text("config: {x:hostedZone: b.example}\n")
    (project.checkout / "Pulumi.nft.yaml").write_text("config: {x:hostedZone: a.example}\n")
    project.renew()
    assert project.hosted_zones() == ("a.example", "b.example")


def test_addresses_that_the_stacks_count_on_are_told_and_wrong_ones_are_left_to_the_program(project: Project) -> None:
    (project.checkout / "Pulumi.live.yaml").write_text(
        "config:\n"
        "  eps-dos-api:virtualIps: {eu-west-2a: 192.0.2.1, eu-west-2b: 192.0.2.2, eu-west-2c: 192.0.2.300}\n"
        "  eps-dos-api:allocationIds: {eu-west-2b: eipalloc-0123456789abcdef0, eu-west-2c: mine}\n"
    )
    (project.checkout / "Pulumi.int.yaml").write_text(
        "config:\n  aws:region: eu-west-1\n"
        '  eps-dos-api:virtualIps: \'{"eu-west-1a": "192.0.2.3"}\'\n'
        "  eps-dos-api:allocationIds: {eu-west-1b: eipalloc-00000001}\n"
    )
    (project.checkout / "Pulumi.dev.yaml").write_text("config:\n  eps-dos-api:virtualIps: none\n")
    project.renew()
    assert project.addresses("eu-west-2") == {
        "kept": {"live-vip-eu-west-2a": "192.0.2.1", "int-vip-eu-west-1a": "192.0.2.3"},
        "allocated": [
            {"allocationId": "eipalloc-00000001", "region": "eu-west-1"},
            {"allocationId": "eipalloc-0123456789abcdef0", "region": "eu-west-2", "address": "192.0.2.2"},
        ],
    }


def test_what_pulumi_changed_in_the_copy_is_named_and_taken_back(project: Project) -> None:
    project.renew()
    file = project.folder / "Pulumi.dev.yaml"
    file.write_text(file.read_text().replace("size: 1", 'size: "1"'))
    assert project.changed_by_pulumi() == ()
    file.write_text(file.read_text().replace('size: "1"', 'size: "2"'))
    assert project.changed_by_pulumi() == ("Pulumi.dev.yaml",)
    project.renew()
    assert "size: 1  # small" in file.read_text()
    assert (project.checkout / "Pulumi.dev.yaml").read_text() == STACK


def test_files_of_stacks_made_in_the_lab_stay_and_those_removed_from_the_checkout_go(project: Project) -> None:
    project.renew()
    (project.folder / "Pulumi.a-test.yaml").write_text("config: {}\n")
    (project.checkout / "Pulumi.dev.yaml").unlink()
    project.renew()
    assert sorted(path.name for path in project.folder.glob("Pulumi.*.yaml")) == ["Pulumi.a-test.yaml"]
    assert project.stacks() == ()


def test_what_is_as_it_should_be_is_not_touched(project: Project) -> None:
    project.renew()
    before = {path: path.lstat().st_mtime_ns for path in project.folder.rglob("*")}
    project.renew()
    assert {path: path.lstat().st_mtime_ns for path in project.folder.rglob("*")} == before


def test_a_file_that_is_no_yaml_is_copied_for_the_program_to_complain_of(project: Project) -> None:
    (project.checkout / "Pulumi.dev.yaml").write_bytes(b"config: [\n\xff")
    (project.checkout / "releases.yaml").write_text("releases: [")
    project.renew()
    assert (project.folder / "Pulumi.dev.yaml").read_bytes() == b"config: [\n\xff"
    assert project.releases() == ()


def test_the_catalogue_gives_versions_and_images(project: Project) -> None:
    (project.checkout / "releases.yaml").write_text(
        'releases:\n  - {version: "1.10.0", image: an-image}\n  - {version: 1.1, image: other}\n  - broken\n'
    )
    project.renew()
    assert project.releases() == (("1.10.0", "an-image"), ("1.1", "other"))


def test_a_folder_without_a_project_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match=r"there is no Pulumi\.yaml"):
        Project(tmp_path / "copy", tmp_path).renew()
    assert not (tmp_path / "copy").exists()


def test_a_copy_on_a_file_in_the_way_is_one_error(project: Project) -> None:
    project.folder.write_text("in the way")
    with pytest.raises(LabError, match="the project can't be copied for the lab"):
        project.renew()


def test_a_virtual_environment_that_moved_is_linked_anew(project: Project) -> None:
    project.renew()
    (project.folder / ".venv").unlink()
    (project.folder / ".venv").symlink_to("/elsewhere")
    project.renew()
    assert (project.folder / ".venv").readlink() == Path(sys.prefix)
    shutil.rmtree(project.folder)


def test_names_of_stack_files() -> None:
    assert [stack_of(name) for name in ("Pulumi.nft.yaml", "Pulumi.yaml", "Pulumi.a.b.yaml", "releases.yaml")] == [
        "nft",
        None,
        "a.b",
        None,
    ]
