"""Images that are registered keep what they are registered with, have their names alone, and can go.

Rules: EC2 API reference, RegisterImage, CreateImage, CopyImage and DescribeImages (without IncludeDisabled no disabled
image is in the answer); "Error codes" (InvalidAMIName.Duplicate, InvalidAMIName.Malformed, InvalidAMIID.NotFound,
InvalidAMIID.Unavailable); Amazon EC2 user guide, "Deregister an Amazon EC2 AMI" and "Disable an Amazon EC2 AMI":
nothing can be launched from it any more, and what runs goes on. moto keeps the name and nothing of architecture,
devices and tags, takes a name twice, and launches from what is gone.
Left out: what images from instances and copies are like, deprecation, kernels.
"""

from __future__ import annotations

import re
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError, InvalidAMIIdError, MissingParameterError, UnvailableAMIIdError
from moto.ec2.models import EC2Backend, ec2_backends
from moto.ec2.models.amis import Ami
from moto.ec2.responses.amis import AmisResponse
from moto.ec2.utils import random_ami_id

from lab.emulator.extensions.hooks import adds_to, extends, is_true

NAME = re.compile(r"[A-Za-z0-9()\[\] ./\-'@_]{3,128}")


class RegisteredImage(Ami):
    """An image with a root device of its own."""

    def __init__(self, backend: Any, asked: dict[str, Any], tags: dict[str, str]) -> None:
        super().__init__(
            backend,
            random_ami_id(),
            name=asked["Name"],
            description=asked.get("Description", ""),
            architecture=asked.get("Architecture", "i386"),
            virtualization_type=asked.get("VirtualizationType", "paravirtual"),
            root_device_name=asked.get("RootDeviceName") or "/dev/sda1",
            root_device_type="ebs",
            hypervisor="xen",
            image_location=f"{backend.account_id}/{asked['Name']}",
            region_name=f"{backend.region_name}a",
            boot_mode=asked.get("BootMode") or "uefi-preferred",
            tags=tags,
        )
        self.ena_support = asked.get("EnaSupport", False)
        self.platform_details = "Linux/UNIX"
        self.usage_operation = "RunInstances"
        self.imds_support = asked.get("ImdsSupport")
        self._devices = asked.get("BlockDeviceMappings") or []

    @property
    def block_device_mappings(self) -> list[dict[str, Any]]:
        """The devices that it was registered with; the root one with its snapshot."""
        if not self._devices:
            return super().block_device_mappings
        return [
            {
                **device,
                "Ebs": {
                    "DeleteOnTermination": True,
                    "VolumeType": "gp2",
                    "Encrypted": False,
                    "SnapshotId": self.ebs_snapshot.id,
                    **device.get("Ebs", {}),
                },
            }
            for device in self._devices
        ]


@extends(ec2_backends)
class Images(EC2Backend):
    """moto's backend, with a name for each image, and no launch from what can't be launched."""

    def create_image(self, instance_id: str, name: str, *args: Any, **settings: Any) -> Ami:
        """CreateImage: under a name that is free."""
        self.check_name(name)
        return super().create_image(instance_id, name, *args, **settings)

    def copy_image(
        self, source_image_id: str, source_region: str, name: str | None = None, description: str | None = None
    ) -> Ami:
        """CopyImage: under a name that is free."""
        self.check_name(name or "")
        return super().copy_image(source_image_id, source_region, name, description)

    def run_instances(self, image_id: str, *args: Any, **settings: Any) -> Any:
        """RunInstances: of an image that is there, and available."""
        if image_id:
            self.check_launchable(image_id)
        return super().run_instances(image_id, *args, **settings)

    def check_name(self, name: str) -> None:
        """Refuse a name that no image may have, or that another has."""
        if not NAME.fullmatch(name):
            raise EC2ClientError(
                "InvalidAMIName.Malformed",
                "AMI names must be between 3 and 128 characters long, and may contain letters, numbers, "
                "'(', ')', '.', '-', '/' and '_'",
            )
        taken = next((image for image in self.amis.values() if image.name == name), None)
        if taken is not None:
            raise EC2ClientError("InvalidAMIName.Duplicate", f"AMI name {name} is already in use by AMI {taken.id}")

    def check_launchable(self, image_id: str | None) -> None:
        """Refuse what no instance can be launched from: no image, one that is gone, one that isn't available."""
        if not image_id:
            raise MissingParameterError("ImageId")
        if image_id not in self.amis:
            raise InvalidAMIIdError(image_id)
        if self.amis[image_id].state != "available":
            raise UnvailableAMIIdError(image_id)


_describe = AmisResponse.describe_images


@adds_to(AmisResponse)
class ImageActions(AmisResponse):
    """What moto's answers leave out."""

    def describe_images(self) -> ActionResult:
        """DescribeImages: disabled ones only if asked for."""
        answer = _describe(self)
        if not is_true(self._get_param("IncludeDisabled")):
            described: Any = answer.result
            answer = ActionResult({"Images": [image for image in described["Images"] if image.state != "disabled"]})
        return answer

    def register_image(self) -> ActionResult:
        """RegisterImage: names are the account's own, once each."""
        asked = self._get_params()
        self.error_on_dryrun()
        self.ec2_backend.check_name(asked["Name"])
        tags = {
            tag["Key"]: tag["Value"]
            for specification in asked.get("TagSpecifications", [])
            if specification.get("ResourceType") == "image"
            for tag in specification.get("Tags", [])
        }
        image = RegisteredImage(self.ec2_backend, asked, tags)
        self.ec2_backend.amis[image.id] = image
        return ActionResult({"ImageId": image.id})
