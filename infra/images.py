"""Machine images as AWS has them, and why none can be launched. Pure; `ops.aws.images` reads them."""

from collections.abc import Sequence
from dataclasses import dataclass

from infra.releases import FILE


@dataclass(frozen=True, kw_only=True)
class MachineImage:
    """An image that the account can see; a deprecated one can be launched as any other."""

    id: str
    name: str
    state: str
    """`available`, `pending`, `disabled`, ... (EC2 API, Image)."""
    architecture: str = ""


def unlaunchable(wanted: str, owner: str, images: Sequence[MachineImage]) -> str:
    """Return why nothing can be launched from the image `wanted`, a name or an id; empty if it can.

    `images` are those of `owner` that answer to it. One that was deregistered and one that isn't shared with the
    account look alike: there is none.
    """
    if not images:
        reason = "it was deregistered" if owner == "self" else "it was deregistered, or isn't shared with this account"
        return f"{owner} has no image {wanted} that can be launched; if there was one, {reason}"
    if len(images) > 1:
        ids = ", ".join(sorted(image.id for image in images))
        return f"{owner} has {len(images)} images {wanted}: {ids}; a name in {FILE} is one build's"
    (image,) = images
    return "" if image.state == "available" else f"the image {wanted} of {owner} is {image.state} ({image.id})"
