# ruff: noqa: ANN401  # moto's objects: their types say less than their names
"""Launch templates whose own tags are not those of what they launch.

Rule: EC2 API reference, CreateLaunchTemplate: `TagSpecifications` tags the template, `LaunchTemplateData` holds those
of instances and volumes. moto adds the former to the latter, where they would show as a change made by hand.
"""

from __future__ import annotations

from typing import Any

from moto.ec2.models import EC2Backend, ec2_backends

from lab.emulator.extensions.hooks import extend_backend


class LaunchTemplates(EC2Backend):
    """moto's backend, with the two kinds of tags kept apart."""

    def create_launch_template(
        self, name: str, description: str, template_data: dict[str, Any], tag_spec: dict[str, Any]
    ) -> Any:
        """CreateLaunchTemplate."""
        given = template_data.get("TagSpecifications") or []
        # moto has put the template's own at the end.
        launched = given[: len(given) - len(tag_spec)]
        data = {key: value for key, value in template_data.items() if key != "TagSpecifications"}
        if launched:
            data["TagSpecifications"] = launched
        return super().create_launch_template(name, description, data, tag_spec)


def install() -> None:
    """Put this rule into moto."""
    extend_backend(ec2_backends, LaunchTemplates)
