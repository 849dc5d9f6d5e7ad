"""Launch templates whose own tags are not those of what they launch.

Rule: EC2 API reference, CreateLaunchTemplate: `TagSpecifications` tags the template, `LaunchTemplateData` holds those
of instances and volumes. moto adds the former to the latter, where they would show as a change made by hand.

Rule: CreateLaunchTemplateVersion takes `UserData` as CreateLaunchTemplate does. moto reads it in the latter only, and
then can't start an instance from a later version.

Rule: CreateTags and DeleteTags change a template's tags. moto shows those that it was made with.

Rule: a version made with `SourceVersion` has what that one has, but for what it is given
itself (CreateLaunchTemplateVersion). moto takes what is given alone.

Rule: DeleteLaunchTemplateVersions, which moto hasn't. The default version can't be deleted, and no number is given a
second time (Amazon EC2 user guide, "Delete a launch template or a launch template version").

Rule: an unknown id is InvalidLaunchTemplateId.NotFound (EC2 API reference, error codes), by which a client knows that a
template is gone. moto answers a description of it with nothing, a deletion as if a name had been unknown, and the
deletion of an unknown name as if none had been given.
"""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import InvalidLaunchTemplateVersionNotFound
from moto.ec2.models import EC2Backend, ec2_backends
from moto.ec2.models.launch_templates import LaunchTemplate, LaunchTemplateVersion
from moto.ec2.responses import EC2Response
from moto.ec2.utils import parse_user_data

from lab.emulator.extensions.hooks import adds_to, extends


@extends(ec2_backends)
class LaunchTemplates(EC2Backend):
    """moto's backend, with the two kinds of tags kept apart."""

    def create_launch_template(
        self, name: str, description: str, template_data: dict[str, Any], tag_spec: dict[str, Any]
    ) -> Any:
        given = template_data.get("TagSpecifications") or []
        # moto has put the template's own at the end.
        launched = given[: len(given) - len(tag_spec)]
        data = {key: value for key, value in template_data.items() if key != "TagSpecifications"}
        if launched:
            data["TagSpecifications"] = launched
        return super().create_launch_template(name, description, data, tag_spec)

    def delete_launch_template(self, name: str, tid: str | None) -> Any:
        if name:
            self.get_launch_template_by_name(name)
        elif tid:
            self.get_launch_template(tid)
        return super().delete_launch_template(name, tid)

    def describe_launch_templates(
        self, template_names: list[str] | None = None, template_ids: list[str] | None = None, filters: Any = None
    ) -> list[Any]:
        for template_id in template_ids or []:
            self.get_launch_template(template_id)
        described: list[Any] = super().describe_launch_templates(template_names, template_ids, filters)
        return described


_answer_as_moto = EC2Response.create_launch_template_version
_make_version = LaunchTemplate.create_version


@adds_to(EC2Response)
class Versions(EC2Response):
    """The actions on versions."""

    def create_launch_template_version(self) -> ActionResult:
        """CreateLaunchTemplateVersion, from another version if one is named."""
        source = self._get_param("SourceVersion")
        if source:
            given = self._get_param("LaunchTemplateData", {})
            self.params["LaunchTemplateData"] = {**_named(self).get_version(source).data, **given}
        return _answer_as_moto(self)

    def delete_launch_template_versions(self) -> ActionResult:
        """DeleteLaunchTemplateVersions: each is deleted, or refused with a reason."""
        template = _named(self)
        self.error_on_dryrun()
        deleted, refused = [], []
        for number in self._get_param("Versions", []):
            shown = {"LaunchTemplateId": template.id, "LaunchTemplateName": template.name, "VersionNumber": int(number)}
            version = next((version for version in template.versions if version.number == int(number)), None)
            if version is None:
                code, message = "launchTemplateVersionDoesNotExist", f"Version {number} does not exist."
            elif template.is_default(version):
                code, message = "unexpectedError", f"Version {number} is the default version of the launch template."
            else:
                template.versions.remove(version)
                deleted.append(shown)
                continue
            refused.append({**shown, "ResponseError": {"Code": code, "Message": message}})
        return ActionResult(
            {
                "SuccessfullyDeletedLaunchTemplateVersions": deleted,
                "UnsuccessfullyDeletedLaunchTemplateVersions": refused,
            }
        )


def _named(request: EC2Response) -> LaunchTemplate:
    backend: Any = request.ec2_backend
    name, template_id = (request._get_param(f"LaunchTemplate{key}") for key in ("Name", "Id"))
    template: LaunchTemplate = (
        backend.get_launch_template(template_id) if template_id else backend.get_launch_template_by_name(name)
    )
    return template


@adds_to(LaunchTemplate)
class Template(LaunchTemplate):
    """A template with its present tags, and whose versions keep their numbers."""

    tags = property(LaunchTemplate.get_tags, lambda _template, _made_with: None)

    def create_version(self, data: dict[str, Any], description: str) -> LaunchTemplateVersion:
        """Add a version, whose number is one more than was ever given, and not than there are."""
        user_data = data.get("UserData")
        if isinstance(user_data, str | bytes):
            data = {**data, "UserData": parse_user_data(user_data)}
        version = _make_version(self, data, description)
        version.number = getattr(self, "numbers_given", 0) + 1
        self.numbers_given = version.number
        return version

    def get_version(self, num: Any) -> LaunchTemplateVersion:
        """Return a version by its number, which may be given as $Latest or $Default."""
        wanted = str(num).lower()
        if wanted == "$latest":
            return self.versions[-1]
        wanted = str(self.default_version_number) if wanted == "$default" else wanted
        for version in self.versions:
            if str(version.number) == wanted:
                return version
        raise InvalidLaunchTemplateVersionNotFound(template_id=self.id, version=num)

    def default_version(self) -> LaunchTemplateVersion:
        """Return the default version."""
        return self.get_version("$default")
