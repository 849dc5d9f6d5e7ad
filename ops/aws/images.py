"""Machine images, as AWS has them: by name or by id, deprecated and disabled ones too.

By filter and not by id: one that was deregistered is an empty answer then, and no error (EC2 API, DescribeImages).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from infra.images import MachineImage
from ops.aws.clients import Aws, batched, listed

MOST_VALUES = 200
"""Of all filters of a request (Amazon EC2 user guide, list and filter using the CLI and API)."""


def read_images(
    aws: Aws, by: Literal["name", "image-id"], values: Collection[str], owner: str | None = None
) -> tuple[MachineImage, ...]:
    """Return the images that have one of `values`; of `owner`, an account's id or `self`, or None: of anybody."""
    owners = {"Owners": [owner]} if owner else {}
    return tuple(
        MachineImage(
            id=image["ImageId"],
            name=image.get("Name", ""),
            state=image.get("State", "available"),
            architecture=image.get("Architecture", ""),
        )
        for asked in batched(sorted(set(values)), MOST_VALUES)
        for image in listed(
            aws.ec2,
            "describe_images",
            "Images[]",
            Filters=[{"Name": by, "Values": asked}],
            IncludeDeprecated=True,
            IncludeDisabled=True,
            **owners,
        )
    )
