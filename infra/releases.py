"""Releases: the catalogue, and which one `live` and `live+1` mean."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from infra.errors import ConfigError

FILE = "releases.yaml"
LIVE, NEXT = "live", "live+1"
FOLLOWING_LIVE = frozenset({LIVE, NEXT})
"""What a stack names in place of a version, to have Live's or the one after it."""


ImageName = Annotated[str, Field(pattern=r"^[\w()\[\]\s./\-'@]{3,128}$")]
"""Unique in an account and region, so a name is one build's (EC2 API, RegisterImage)."""


class Release(BaseModel):
    """One entry of the catalogue."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    """Quoted in YAML: 1.10 would be the number 1.1."""
    date: date
    image: ImageName
    """The build that instances are launched from."""
    former_images: Annotated[tuple[ImageName, ...], Field(alias="formerImages")] = ()
    """Builds of this version from before; each stays until no environment runs it, or could go back to it."""
    notes: str = ""


class Catalogue(BaseModel):
    """All releases, the oldest first."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    releases: Annotated[tuple[Release, ...], Field(min_length=1)]
    evidence_hours: Annotated[int, Field(alias="evidenceHours", ge=0, le=24 * 90)] = 24
    """How long Live's mirror must have run a release before Live takes it."""


def resolved(wanted: str, live_version: str, releases: Sequence[Release], where: str, stack: str) -> Release:
    """Return the release that `wanted` (a version, `live`, `live+1`) means.

    Raises ConfigError if the catalogue has no such version, or none after Live's.
    """
    versions = [release.version for release in releases]
    version = live_version if wanted in FOLLOWING_LIVE else wanted
    if version not in versions:
        raise ConfigError.of(
            where,
            f"is {version}; allowed: a version of {FILE}: {', '.join(versions)}",
            f"add it to {FILE}, or run: pulumi config set eps-dos-api:release VERSION --stack {stack}",
        )
    index = versions.index(version) + (wanted == NEXT)
    if index == len(versions):
        raise ConfigError.of(
            where,
            f"is {NEXT}, and {FILE} has none after Live's {live_version}",
            f"add the next release to {FILE}, or run: pulumi config set eps-dos-api:release {LIVE} --stack {stack}",
        )
    return releases[index]
