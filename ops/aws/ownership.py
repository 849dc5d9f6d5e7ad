"""Whose a resource is: by its tags and its name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from infra.environment import Environment
from infra.tags import FIXED_TAGS

if TYPE_CHECKING:
    # Stubs, which only the development environment has.
    from mypy_boto3_ec2.type_defs import FilterTypeDef


Tags: TypeAlias = Mapping[str, str]
Document: TypeAlias = Mapping[str, Any]
"""An IAM policy (IAM JSON policy grammar), or another document of AWS's."""
PROJECT = FIXED_TAGS["Project"]


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Whose inventory it is: an environment, with the names of what has no tags."""

    environment: str
    dns_name: str
    hosted_zone: str
    bucket: str

    @classmethod
    def of(cls, environment: Environment) -> Subject:
        """Return the subject that `environment` is."""
        return cls(
            environment=environment.name,
            dns_name=environment.dns.name,
            hosted_zone=environment.dns.hosted_zone,
            bucket=environment.dataset.bucket,
        )


def tagged(environment: str) -> list[FilterTypeDef]:
    """Return the filters by which EC2 and EC2 Auto Scaling list what is the environment's."""
    return [
        {"Name": "tag:Project", "Values": [PROJECT]},
        {"Name": "tag:Environment", "Values": [environment]},
    ]


def is_of(tags: Tags, environment: str) -> bool:
    """Whether `tags` say that something is the environment's."""
    return tags.get("Project") == PROJECT and tags.get("Environment") == environment


def tags_of(listed: Iterable[Mapping[str, Any]] | None) -> Tags:
    """Return a list of tags, in whichever spelling a service has, as a mapping."""
    return {str(tag["Key"]): str(tag.get("Value", "")) for tag in listed or ()}


def name_prefixes(environment: str) -> tuple[str, ...]:
    """Return how names begin that the program gives: its own choice, and Pulumi's from the logical name."""
    return f"eps-dos-api-{environment}-", f"{environment}-"


def comparable_name(name: str) -> str:
    """Return a name as it is compared: AWS adds a last dot, and `dualstack.` before names of load balancers."""
    return name.rstrip(".").lower().removeprefix("dualstack.")
