"""The lab's copy of the project: Pulumi rewrites stack files as it works, and nothing of that may reach the checkout.

The copy is renewed from the checkout before each command. Left out: what the files mean; a broken one is copied as it
is, so that the program reports it.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from ipaddress import IPv4Address
from pathlib import Path
from typing import TypeAlias

import yaml

from lab.errors import LabError, WrongUse

FILES = ("Pulumi.yaml", "Pulumi.*.yaml", "__main__.py", "releases.yaml", "suppliers.yaml")
FOLDERS = ("infra", "policy", "rollout")
PROJECT_FILE = "Pulumi.yaml"
CATALOGUE = "releases.yaml"
_RECORD = ".copied"
_ALLOCATION_ID = re.compile(r"eipalloc-[0-9a-f]{8,17}")

Yaml: TypeAlias = object
"""Whatever a YAML file holds."""

# Both by text and not by parsing: comments stay, and a file that is no YAML is still copied.
# Top-level keys with which a stack file says how its secrets are encrypted, with what follows indented.
_ENCRYPTION = re.compile(
    rb"""^["']?(secretsprovider|encryptedkey|encryptionsalt)["']?[ \t]*:.*(?:\n[ \t]+.*)*(?:\n|\Z)""", re.MULTILINE
)

# Which account a stack belongs to, and as whom it is deployed: the lab's account is another one, and nobody's.
_BELONGING = frozenset({"aws:allowedAccountIds", "aws:profile"})
_ACCOUNT = re.compile(
    rb"""^([ \t]+)["']?(?:%s)["']?[ \t]*:.*(?:\n\1(?:[ \t]|-[ \t]).*)*(?:\n|\Z)"""
    % "|".join(sorted(_BELONGING)).encode(),
    re.MULTILINE,
)


class Project:
    """The project's files in `folder`, copied from `checkout`."""

    def __init__(self, folder: Path, checkout: Path) -> None:
        self.folder = folder
        self.checkout = checkout

    def renew(self) -> None:
        """Make the copy what the checkout is now, file by file in one step each.

        Stack files lose `secretsprovider`, `encryptedkey` and `encryptionsalt`, and keep the salt that the copy's has:
        the lab's state is encrypted with it. They lose `aws:allowedAccountIds` and `aws:profile`, too. Files of the
        copy that never came from the checkout stay, such as those of stacks made in the lab. What is as it should be
        isn't touched: a program may be reading it.

        Raises WrongUse if the checkout holds no project, LabError if a file can't be read or written.
        """
        if not (self.checkout / PROJECT_FILE).is_file():
            raise WrongUse(
                f"{self.checkout}: there is no {PROJECT_FILE}, so this is no project of Pulumi's",
                "run the command in the project's folder",
            )
        try:
            sources = dict(self._sources())
            self.folder.mkdir(parents=True, exist_ok=True)
            for name, source in sources.items():
                wanted, mode = source.read_bytes(), source.stat().st_mode & 0o777
                target = self.folder / name
                if stack_of(name) is not None:
                    wanted = _with_salt(_ACCOUNT.sub(b"", _ENCRYPTION.sub(b"", wanted)), target)
                _write_if_other(target, wanted, mode)
            self._forget_removed(sources)
            self._link_virtual_environment()
        except OSError as error:
            raise _not_copied(error) from error

    def stacks(self) -> tuple[str, ...]:
        """Return the names of the stacks that the checkout has a file of: the permanent ones."""
        names = (stack_of(path.name) for path in sorted(self.checkout.glob("Pulumi.*.yaml")))
        return tuple(name for name in names if name is not None)

    def changed_by_pulumi(self) -> tuple[str, ...]:
        """Return the names of stack files that say something else in the copy than in the checkout."""
        names = (f"Pulumi.{stack}.yaml" for stack in self.stacks())
        return tuple(
            name
            for name in names
            if (self.folder / name).exists() and _settings(self.folder / name) != _settings(self.checkout / name)
        )

    def releases(self) -> tuple[tuple[str, str], ...]:
        """Return version and image name of every release in the catalogue; none if the catalogue is broken.

        What is wrong with it is for the program to say, which reads it too.
        """
        document = _parsed(self.folder / CATALOGUE)
        releases = document.get("releases") if isinstance(document, Mapping) else None
        entries = [entry for entry in releases if isinstance(entry, Mapping)] if isinstance(releases, list) else []
        pairs = [(entry.get("version"), entry.get("image")) for entry in entries]
        return tuple((one, other) for one, other in pairs if isinstance(one, str) and isinstance(other, str) and other)

    def hosted_zones(self) -> tuple[str, ...]:
        """Return the hosted zones that stacks have their names in."""
        configs = (_settings(path) for path in sorted(self.folder.glob("Pulumi.*.yaml")))
        zones = [value for config in configs for key, value in config.items() if key.endswith(":hostedZone")]
        return tuple(dict.fromkeys(zone for zone in zones if isinstance(zone, str) and zone))

    def addresses(self, region: str) -> Mapping[str, object]:
        """Return the addresses that the stack files count on, as the emulator's control API takes them.

        `region` is where those are whose stack file names none.

        Those that a stack has published, by the name under which it allocates them (STACK-vip-ZONE), and those that
        were allocated elsewhere: no other account than the stacks' own could have either. What isn't written as it
        should be is left out, for the program to report.
        """
        kept: dict[str, str] = {}
        allocated: list[dict[str, str]] = []
        for path in sorted(self.folder.glob("Pulumi.*.yaml")):
            config = _settings(path)
            published = _by_zone(config, ":virtualIps", _is_address)
            elsewhere = _by_zone(config, ":allocationIds", _ALLOCATION_ID.fullmatch)
            kept |= {
                f"{stack_of(path.name)}-vip-{zone}": address
                for zone, address in published.items()
                if zone not in elsewhere
            }
            allocated += [
                {
                    "allocationId": identifier,
                    "region": str(config.get("aws:region") or region),
                    **({"address": published[zone]} if zone in published else {}),
                }
                for zone, identifier in elsewhere.items()
            ]
        return {"kept": kept, "allocated": allocated}

    def _sources(self) -> Iterator[tuple[str, Path]]:
        for pattern in FILES:
            for path in sorted(self.checkout.glob(pattern)):
                if path.is_file():
                    yield path.name, path
        for folder in FOLDERS:
            for path in sorted((self.checkout / folder).rglob("*")):
                if path.is_file() and "__pycache__" not in path.parts:
                    yield str(path.relative_to(self.checkout)), path

    def _forget_removed(self, sources: Mapping[str, Path]) -> None:
        record = self.folder / _RECORD
        before = record.read_text(encoding="utf-8").splitlines() if record.exists() else []
        for name in set(before) - sources.keys():
            (self.folder / name).unlink(missing_ok=True)
        _write_if_other(record, "".join(f"{name}\n" for name in sorted(sources)).encode(), 0o644)

    def _link_virtual_environment(self) -> None:
        # Pulumi.yaml may name .venv; the copy's is the one that runs the lab.
        link = self.folder / ".venv"
        if not link.is_symlink() or link.readlink() != Path(sys.prefix):
            made = Path(tempfile.mkdtemp(dir=self.folder, prefix=".link-"))
            (made / "venv").symlink_to(sys.prefix, target_is_directory=True)
            (made / "venv").replace(link)
            made.rmdir()


def stack_of(file_name: str) -> str | None:
    """Return the stack whose file `file_name` is (`Pulumi.nft.yaml`: nft), or None."""
    match = re.fullmatch(r"Pulumi\.(.+)\.yaml", file_name)
    return match[1] if match else None


def _with_salt(content: bytes, target: Path) -> bytes:
    """Return `content` with the salt that `target` has; as `target` is, if that is the only difference."""
    current = target.read_bytes() if target.exists() else b""
    salts = [match[0] for match in _ENCRYPTION.finditer(current) if match[1] == b"encryptionsalt"]
    if not salts:
        return content
    if _ENCRYPTION.sub(b"", current) == content:
        return current
    ended = content if not content or content.endswith(b"\n") else content + b"\n"
    return ended + salts[0]


def _write_if_other(target: Path, content: bytes, mode: int) -> None:
    if target.is_file() and target.read_bytes() == content and target.stat().st_mode & 0o777 == mode:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).chmod(mode)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _by_zone(config: Mapping[str, Yaml], ending: str, is_right: Callable[[str], object]) -> dict[str, str]:
    """Return what a setting says of each zone; set with `pulumi config set`, it is written as JSON."""
    value = next((value for key, value in config.items() if key.endswith(ending)), None)
    if isinstance(value, str):
        try:
            value = yaml.load(value, Loader=yaml.BaseLoader)  # noqa: S506 - as in _parsed
        except yaml.YAMLError:
            return {}
    found = value.items() if isinstance(value, Mapping) else ()
    return {str(zone): one for zone, one in found if isinstance(one, str) and is_right(one)}


def _is_address(text: str) -> bool:
    try:
        return str(IPv4Address(text)) == text
    except ValueError:
        return False


def _settings(stack_file: Path) -> Mapping[str, Yaml]:
    document = _parsed(stack_file)
    config = document.get("config") if isinstance(document, Mapping) else None
    return {key: value for key, value in config.items() if key not in _BELONGING} if isinstance(config, Mapping) else {}


def _parsed(path: Path) -> Yaml:
    """What the file holds, every scalar as text: Pulumi writes 1 as "1", and means the same. None if it is broken."""
    try:
        return yaml.load(path.read_bytes(), Loader=yaml.BaseLoader)  # noqa: S506 - it makes texts, lists and mappings
    except (OSError, yaml.YAMLError, ValueError):
        return None


def _not_copied(error: OSError) -> LabError:
    return LabError(
        f"{error.filename or 'a file'}: the project can't be copied for the lab: {error.strerror or error}",
        "free room and give yourself the right to read the project and to write the folder .lab",
    )
