"""Images that are registered keep what they are registered with.

Rules: EC2 API reference, RegisterImage and DescribeImages; "Error codes" (InvalidAMIName.Duplicate,
InvalidAMIName.Malformed). moto keeps the name and nothing of architecture, devices and tags.
Left out: images from instances, copies, kernels.
"""

from __future__ import annotations

import re
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.amis import Ami
from moto.ec2.responses.amis import AmisResponse
from moto.ec2.utils import random_ami_id

from lab.emulator.extensions.hooks import adds_to

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


@adds_to(AmisResponse)
class ImageActions(AmisResponse):
    """The API's action."""

    def register_image(self) -> ActionResult:
        """RegisterImage: names are the account's own, once each."""
        asked = self._get_params()
        name = asked["Name"]
        if not NAME.fullmatch(name):
            raise EC2ClientError(
                "InvalidAMIName.Malformed",
                "AMI names must be between 3 and 128 characters long, and may contain letters, numbers, "
                "'(', ')', '.', '-', '/' and '_'",
            )
        self.error_on_dryrun()
        taken = next((image for image in self.ec2_backend.amis.values() if image.name == name), None)
        if taken is not None:
            raise EC2ClientError("InvalidAMIName.Duplicate", f"AMI name {name} is already in use by AMI {taken.id}")
        tags = {
            tag["Key"]: tag["Value"]
            for specification in asked.get("TagSpecifications", [])
            if specification.get("ResourceType") == "image"
            for tag in specification.get("Tags", [])
        }
        image = RegisteredImage(self.ec2_backend, asked, tags)
        self.ec2_backend.amis[image.id] = image
        return ActionResult({"ImageId": image.id})
