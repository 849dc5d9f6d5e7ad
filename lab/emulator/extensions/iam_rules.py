"""What IAM refuses and moto takes: long names, trust policies that aren't any, policies over the quota.

Rules: IAM API reference (CreateRole, CreateInstanceProfile, PutRolePolicy) and IAM User Guide, "IAM and AWS STS
quotas" (names; without white space, 2,048 characters of a trust policy, 6,144 of a managed policy and 10,240 of all
inline policies of a role), "IAM identifiers" (names are unique without regard to case, ids by prefix).
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from moto.iam.aws_managed_policies import aws_managed_policies_data
from moto.iam.exceptions import EntityAlreadyExists, LimitExceededException, NotFoundException, ValidationError
from moto.iam.models import AWSManagedPolicy, IAMBackend, ManagedPolicy, iam_backends
from moto.iam.policy_validation import IAMTrustPolicyDocumentValidator
from moto.moto_api._internal import mock_random

from lab.emulator.extensions.hooks import extends

ROLE_NAME_LENGTH = 64
INSTANCE_PROFILE_NAME_LENGTH = 128
INLINE_POLICIES_LENGTH = 10_240
TRUST_LENGTH = ("ACLSizePerRole", 2_048)
MANAGED_POLICY_LENGTH = ("PolicySize", 6_144)
"""The quota's name in IAM's refusal, and characters."""
ID_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


# Of AWS's own policies, those that an instance may need: all 1,582 would cost a second per reset of the lab.
AWS_POLICIES = ("AmazonSSMManagedInstanceCore", "CloudWatchAgentServerPolicy")


@extends(iam_backends)
class Identities(IAMBackend):
    """moto's backend, with these refusals."""

    def _init_aws_policies(self) -> list[ManagedPolicy]:
        return [
            AWSManagedPolicy.from_data(name, self.account_id, self.region_name, data)
            for name, data in _aws_policies().items()
        ]

    def create_role(self, role_name: str, assume_role_policy_document: str, *rest: Any, **named: Any) -> Any:
        _check_length("roleName", role_name, ROLE_NAME_LENGTH)
        if any(role.name.lower() == role_name.lower() for role in self.get_roles()):
            raise EntityAlreadyExists(f"Role with name {role_name} already exists.")
        IAMTrustPolicyDocumentValidator(assume_role_policy_document).validate()
        _check_document(assume_role_policy_document, *TRUST_LENGTH)
        role = super().create_role(role_name, assume_role_policy_document, *rest, **named)
        try:
            self._check_boundary(role.permissions_boundary_arn)
        except NotFoundException:
            self.delete_role(role_name)
            raise
        return role

    def update_assume_role_policy(self, role_name: str, policy_document: str) -> None:
        _check_document(policy_document, *TRUST_LENGTH)
        super().update_assume_role_policy(role_name, policy_document)

    def create_policy(self, description: str, path: str, policy_document: str, *rest: Any, **named: Any) -> Any:
        _check_document(policy_document, *MANAGED_POLICY_LENGTH)
        return super().create_policy(description, path, policy_document, *rest, **named)

    def create_policy_version(self, policy_arn: str, policy_document: str, set_as_default: bool) -> Any:
        _check_document(policy_document, *MANAGED_POLICY_LENGTH)
        return super().create_policy_version(policy_arn, policy_document, set_as_default)

    def put_role_permissions_boundary(self, role_name: str, permissions_boundary: str) -> None:
        self._check_boundary(permissions_boundary)
        super().put_role_permissions_boundary(role_name, permissions_boundary)

    def _check_boundary(self, arn: str | None) -> None:
        if arn and arn not in self.managed_policies:
            raise NotFoundException(f"Scope ARN: {arn} does not exist or is not attachable.")

    def put_role_policy(self, role_name: str, policy_name: str, policy_json: str) -> None:
        role = self.get_role(role_name)
        documents = {**role.policies, policy_name: policy_json}
        if sum(_length(str(document)) for document in documents.values()) > INLINE_POLICIES_LENGTH:
            raise LimitExceededException(
                f"Maximum policy size of {INLINE_POLICIES_LENGTH} bytes exceeded for role {role_name}"
            )
        super().put_role_policy(role_name, policy_name, policy_json)

    def create_instance_profile(self, name: str, *rest: Any, **named: Any) -> Any:
        _check_length("instanceProfileName", name, INSTANCE_PROFILE_NAME_LENGTH)
        if any(existing.lower() == name.lower() for existing in self.instance_profiles):
            raise EntityAlreadyExists(f"Instance Profile {name} already exists.")
        profile = super().create_instance_profile(name, *rest, **named)
        profile.id = "AIPA" + "".join(mock_random.choices(ID_CHARACTERS, k=17))
        return profile


@lru_cache(maxsize=1)
def _aws_policies() -> dict[str, Any]:
    everything = json.loads(aws_managed_policies_data)
    return {name: everything[name] for name in AWS_POLICIES}


def _length(document: str) -> int:
    return len("".join(document.split()))


def _check_document(document: str, quota: str, most: int) -> None:
    if _length(document) > most:
        raise LimitExceededException(f"Cannot exceed quota for {quota}: {most}")


def _check_length(parameter: str, value: str, most: int) -> None:
    if len(value) > most:
        raise ValidationError(
            f"1 validation error detected: Value '{value}' at '{parameter}' failed to satisfy constraint: "
            f"Member must have length less than or equal to {most}"
        )
