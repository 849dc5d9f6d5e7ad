"""CloudFormation, as far as a template of roles, policies, a bucket and a key goes: what moto leaves out of it.

Rules: CloudFormation guide, "Quotas" (a template in the request has 51,200 bytes); API reference, CreateChangeSet
(named IAM resources take CAPABILITY_NAMED_IAM); the page of each resource type. moto makes nothing of types that it
doesn't know, and says nothing of it; has no OIDC provider and no bucket policy; and of a bucket, a role and a managed
policy it leaves out what is here. Left out: rollback of a change that fails half-way, drift, other types'
gaps, and that other parameters alone change what was made of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import yaml
from moto.cloudformation import parsing
from moto.cloudformation.exceptions import ValidationError
from moto.cloudformation.models import CloudFormationBackend, cloudformation_backends
from moto.cloudformation.responses import CloudFormationResponse
from moto.core.common_models import CloudFormationModel
from moto.core.exceptions import ServiceException
from moto.iam.models import ManagedPolicy, Role, iam_backends
from moto.s3.models import FakeBucket, s3_backends
from moto.utilities.utils import get_partition

from lab.emulator.extensions.hooks import adds_to, extends

LONGEST_TEMPLATE_BYTES = 51_200
NAMED = {
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::Role": "RoleName",
}
NAMED_IAM = "CAPABILITY_NAMED_IAM"

# moto's own, before they give way.
_create_change_set = CloudFormationResponse.create_change_set
_refuse_no_update = CloudFormationResponse._validate_different_update
_create_bucket = FakeBucket.create_from_cloudformation_json
_moto_class_of = parsing.resource_class_from_type


class InsufficientCapabilities(ServiceException):
    """What is to be made takes a capability that wasn't given."""

    code = "InsufficientCapabilitiesException"


@extends(cloudformation_backends)
class Stacks(CloudFormationBackend):
    """moto's backend, with the limits of a change set."""

    def create_change_set(self, stack_name: str, change_set_name: str, template: str, *rest: Any, **named: Any) -> Any:
        if len(template.encode()) > LONGEST_TEMPLATE_BYTES:
            raise ValidationError(
                message="1 validation error detected: Value at 'templateBody' failed to satisfy constraint: "
                f"Member must have length less than or equal to {LONGEST_TEMPLATE_BYTES}"
            )
        return super().create_change_set(stack_name, change_set_name, template, *rest, **named)

    def execute_change_set(self, change_set_name: str, stack_name: str | None = None) -> None:
        """Have the stack say what it was made of, which moto leaves at what it was before."""
        super().execute_change_set(change_set_name, stack_name)
        made = next(
            change
            for change in self.change_sets.values()
            if change_set_name in (change.change_set_id, change.change_set_name)
        )
        stack = self.stacks[made.stack_id]
        stack.parameters = made.parameters
        stack._parse_template()
        stack.output_map = stack._create_output_map()


@adds_to(CloudFormationResponse)
class Capabilities(CloudFormationResponse):
    """Asked for before anything is made."""

    def create_change_set(self) -> Any:
        given = {value for key, (value, *_) in self.querystring.items() if key.startswith("Capabilities.member")}
        template = yaml.safe_load(self._get_param("TemplateBody") or "{}")
        resources = template.get("Resources", {}).values()
        if NAMED_IAM not in given and any(
            NAMED.get(made["Type"], "") in made.get("Properties", {}) for made in resources
        ):
            raise InsufficientCapabilities(f"Requires capabilities : [{NAMED_IAM}]")
        return _create_change_set(self)

    def _validate_different_update(self, *of: Any) -> None:
        # A change set without changes is made, and has failed (CreateChangeSet): its backend sees to that.
        if self._get_action() != "CreateChangeSet":
            _refuse_no_update(self, *of)


def _class_of(resource_type: str) -> type[CloudFormationModel]:
    found = _moto_class_of(resource_type)
    if found is None and resource_type not in parsing.NULL_MODELS:
        raise ValidationError(message=f"Template format error: the lab's CloudFormation has no {resource_type}")
    return found


class Provider(CloudFormationModel):
    """AWS::IAM::OIDCProvider; Ref is its ARN."""

    @staticmethod
    def cloudformation_name_type() -> str:
        return ""

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::IAM::OIDCProvider"

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **kwargs: Any
    ) -> Any:
        properties = cloudformation_json["Properties"]
        provider: Any = iam_backends[account_id][get_partition(region_name)].create_open_id_connect_provider(
            url=properties["Url"],
            thumbprint_list=properties.get("ThumbprintList", []),
            client_id_list=properties.get("ClientIdList", []),
            tags=properties.get("Tags", []),
        )
        provider.physical_resource_id = provider.arn  # what moto asks of whatever a template makes
        return provider

    @classmethod
    def update_from_cloudformation_json(
        cls, original_resource: Any, new_resource_name: str, cloudformation_json: Any, account_id: str, region_name: str
    ) -> Any:
        return original_resource

    @classmethod
    def delete_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str
    ) -> None:
        iam_backends[account_id][get_partition(region_name)].delete_open_id_connect_provider(resource_name)


class BucketPolicy(CloudFormationModel):
    """AWS::S3::BucketPolicy."""

    def __init__(self, bucket: str) -> None:
        self.physical_resource_id = bucket

    @staticmethod
    def cloudformation_name_type() -> str:
        return ""

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::S3::BucketPolicy"

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **kwargs: Any
    ) -> Any:
        properties = cloudformation_json["Properties"]
        document = json.dumps(properties["PolicyDocument"]).encode()
        s3_backends[account_id][get_partition(region_name)].put_bucket_policy(properties["Bucket"], document)
        return cls(properties["Bucket"])

    @classmethod
    def update_from_cloudformation_json(
        cls, original_resource: Any, new_resource_name: str, cloudformation_json: Any, account_id: str, region_name: str
    ) -> Any:
        return cls.create_from_cloudformation_json(new_resource_name, cloudformation_json, account_id, region_name)

    @classmethod
    def delete_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str
    ) -> None:
        s3_backends[account_id][get_partition(region_name)].delete_bucket_policy(resource_name)


@adds_to(FakeBucket)
class Bucket(FakeBucket):
    """AWS::S3::Bucket, with what moto leaves out of it."""

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **kwargs: Any
    ) -> Any:
        bucket = _create_bucket(resource_name, cloudformation_json, account_id, region_name)
        _configure_bucket(bucket.name, cloudformation_json.get("Properties", {}), account_id, region_name)
        return bucket

    @classmethod
    def update_from_cloudformation_json(
        cls, original_resource: Any, new_resource_name: str, cloudformation_json: Any, account_id: str, region_name: str
    ) -> Any:
        _configure_bucket(original_resource.name, cloudformation_json.get("Properties", {}), account_id, region_name)
        return original_resource


def _configure_bucket(name: str, properties: Mapping[str, Any], account_id: str, region_name: str) -> None:
    backend = s3_backends[account_id][get_partition(region_name)]
    if block := properties.get("PublicAccessBlockConfiguration"):
        backend.put_public_access_block(name, {key: str(value).lower() for key, value in block.items()})
    if versioning := properties.get("VersioningConfiguration"):
        backend.put_bucket_versioning(name, versioning["Status"])
    if ownership := properties.get("OwnershipControls"):
        backend.put_bucket_ownership_controls(name, ownership["Rules"][0]["ObjectOwnership"])


@adds_to(Role)
class WholeRole(Role):
    """AWS::IAM::Role, with what moto leaves out of it, and brought up to date."""

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **kwargs: Any
    ) -> Any:
        properties = cloudformation_json["Properties"]
        role = iam_backends[account_id][get_partition(region_name)].create_role(
            role_name=properties.get("RoleName", resource_name),
            assume_role_policy_document=json.dumps(properties["AssumeRolePolicyDocument"]),
            path=properties.get("Path", "/"),
            permissions_boundary=properties.get("PermissionsBoundary"),
            description=properties.get("Description", ""),
            tags=properties.get("Tags", []),
            max_session_duration=properties.get("MaxSessionDuration", 3600),
        )
        _configure_role(role, properties, account_id, region_name)
        return role

    @classmethod
    def update_from_cloudformation_json(
        cls, original_resource: Any, new_resource_name: str, cloudformation_json: Any, account_id: str, region_name: str
    ) -> Any:
        backend = iam_backends[account_id][get_partition(region_name)]
        properties = cloudformation_json["Properties"]
        trust = json.dumps(properties["AssumeRolePolicyDocument"])
        backend.update_assume_role_policy(original_resource.name, trust)
        original_resource.max_session_duration = properties.get("MaxSessionDuration", 3600)
        original_resource.tags = properties.get("Tags", [])
        _configure_role(original_resource, properties, account_id, region_name)
        return original_resource


def _configure_role(role: Role, properties: Mapping[str, Any], account_id: str, region_name: str) -> None:
    backend = iam_backends[account_id][get_partition(region_name)]
    inline = {policy["PolicyName"]: json.dumps(policy["PolicyDocument"]) for policy in properties.get("Policies", [])}
    for name in [name for name in role.policies if name not in inline]:
        backend.delete_role_policy(role.name, name)
    for name, document in inline.items():
        backend.put_role_policy(role.name, name, document)
    managed = properties.get("ManagedPolicyArns", [])
    for arn in [arn for arn in role.managed_policies if arn not in managed]:
        backend.detach_role_policy(arn, role.name)
    for arn in managed:
        if arn not in role.managed_policies:
            backend.attach_role_policy(arn, role.name)


@adds_to(ManagedPolicy)
class NewVersion(ManagedPolicy):
    """AWS::IAM::ManagedPolicy, brought up to date: a new version takes the place of the oldest."""

    @classmethod
    def update_from_cloudformation_json(
        cls, original_resource: Any, new_resource_name: str, cloudformation_json: Any, account_id: str, region_name: str
    ) -> Any:
        backend = iam_backends[account_id][get_partition(region_name)]
        document = json.dumps(cloudformation_json["Properties"]["PolicyDocument"])
        versions = original_resource.versions
        if json.loads(next(version.document for version in versions if version.is_default)) != json.loads(document):
            if len(versions) >= 5:
                backend.delete_policy_version(original_resource.arn, versions[0].version_id)
            backend.create_policy_version(original_resource.arn, document, True)
        return original_resource


parsing.resource_class_from_type = _class_of
