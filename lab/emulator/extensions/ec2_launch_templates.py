# ruff: noqa: ANN401  # moto's objects: their types say less than their names
"""Launch templates whose own tags are not those of what they launch.

Rule: EC2 API reference, CreateLaunchTemplate: `TagSpecifications` tags the template, `LaunchTemplateData` holds those
of instances and volumes. moto adds the former to the latter, where they would show as a change made by hand.

Rule: CreateLaunchTemplateVersion takes `UserData` as CreateLaunchTemplate does. moto reads it in the latter only, and
then can't start an instance from a later version.

Rule: CreateTags and DeleteTags change a template's tags. moto shows those that it was made with.
"""

from __future__ import annotations

from typing import Any

from moto.ec2.models import EC2Backend, ec2_backends
from moto.ec2.models.launch_templates import LaunchTemplate, LaunchTemplateVersion
from moto.ec2.utils import parse_user_data

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


_make_version = LaunchTemplate.create_version


def _create_version(template: LaunchTemplate, data: dict[str, Any], description: str) -> LaunchTemplateVersion:
    user_data = data.get("UserData")
    if isinstance(user_data, str | bytes):
        data = {**data, "UserData": parse_user_data(user_data)}
    return _make_version(template, data, description)


def install() -> None:
    """Put these rules into moto."""
    extend_backend(ec2_backends, LaunchTemplates)
    # moto makes templates of its own class, so the class is what can be changed.
    LaunchTemplate.create_version = _create_version  # type: ignore[method-assign, assignment]  # on purpose
    current_tags = property(lambda template: template.get_tags(), lambda _template, _made_with: None)
    setattr(LaunchTemplate, "tags", current_tags)  # noqa: B010 - to a type checker it is an attribute of instances
