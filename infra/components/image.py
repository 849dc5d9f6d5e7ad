"""Image: the machine image of a release, looked up by its name. A name is one build's, so two of a name are none.

Where there is none, the program goes on: whoever has to be cut off doesn't wait for an image. Left out: what then stays
as it is (`service`, `rollout`), and why there is none (`eps-dos preflight`).
"""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.environment import ServicePlan
from infra.images import MachineImage, unlaunchable


@dataclass(frozen=True, kw_only=True)
class Image:
    """What AWS has under a name, or why that is no image to launch."""

    name: str
    """As looked for: a name, or the id of one that is run in place of a release's."""
    missing: str
    """Why nothing can be launched, as a clause; empty: it can."""
    id: pulumi.Output[str] | None = None
    root_device_name: pulumi.Output[str] | None = None


def look_up(plan: ServicePlan, parent: pulumi.Resource) -> Image:
    """Return the image that instances are to be launched from, with the provider of `parent`.

    One that is deprecated can be launched, and is hidden from others than its owner unless asked for (Amazon EC2 user
    guide, "Deprecate an Amazon EC2 AMI").
    """
    name = plan.image_id or plan.image_name
    by = {"image-id" if plan.image_id else "name": name, "state": "available"}
    # Waited for: which inputs of resources are left as they are has to be known when they are registered.
    there = aws.ec2.get_ami_ids(
        owners=[plan.image_owner],
        filters=[aws.ec2.GetAmiIdsFilterArgs(name=key, values=[value]) for key, value in by.items()],
        include_deprecated=True,
        opts=pulumi.InvokeOptions(parent=parent),
    )
    available = [MachineImage(id=image_id, name=name, state="available") for image_id in there.ids]
    if missing := unlaunchable(name, plan.image_owner, available):
        return Image(name=name, missing=missing)
    image = aws.ec2.get_ami_output(
        owners=[plan.image_owner],
        filters=[aws.ec2.GetAmiFilterArgs(name=key, values=[value]) for key, value in by.items()],
        include_deprecated=True,
        opts=pulumi.InvokeOutputOptions(parent=parent),
    )
    return Image(name=name, missing="", id=image.id, root_device_name=image.root_device_name)
