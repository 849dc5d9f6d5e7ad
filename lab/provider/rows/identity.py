"""Rows of IAM: roles, their inline policies, instance profiles.

What replaces is from hashicorp/terraform-provider-aws, internal/service/iam, the file named at each row. Left out:
inline and managed policies as properties of a role, permissions boundaries aside.
"""

from __future__ import annotations

from typing import Any

from lab.provider.forms import Policy as PolicyDocument
from lab.provider.model import NOT_SENT, Call, Look, Name, Property, Resource, Update
from lab.provider.rows import tagging
from lab.provider.work import Work


def _empty_role(work: Work) -> None:
    """Take away what keeps AWS from deleting a role, as far as the program has asked for that."""
    for profile in work.call("list_instance_profiles_for_role", RoleName=work.id)["InstanceProfiles"]:
        work.call(
            "remove_role_from_instance_profile",
            InstanceProfileName=profile["InstanceProfileName"],
            RoleName=work.id,
        )
    if work.state.get("forceDetachPolicies"):
        for policy in work.call("list_attached_role_policies", RoleName=work.id)["AttachedPolicies"]:
            work.call("detach_role_policy", RoleName=work.id, PolicyArn=policy["PolicyArn"])
        for name in work.call("list_role_policies", RoleName=work.id)["PolicyNames"]:
            work.call("delete_role_policy", RoleName=work.id, PolicyName=name)


def _bound(work: Work) -> None:
    if boundary := work.inputs.get("permissionsBoundary"):
        work.call("put_role_permissions_boundary", RoleName=work.id, PermissionsBoundary=boundary)
    else:
        work.call("delete_role_permissions_boundary", RoleName=work.id)


def _send_trust(work: Work) -> None:
    work.call("update_assume_role_policy", RoleName=work.id, PolicyDocument=work.inputs["assumeRolePolicy"])


ROLE = Resource(  # role.go
    type="aws:iam/role:Role",
    label="IAM Role",
    service="iam",
    region=False,
    properties={
        "name": Property(sends="RoleName", replaces=True, computed=True, longest=64),
        "namePrefix": Property(sends=NOT_SENT, reads=NOT_SENT, replaces=True, longest=38),
        "assumeRolePolicy": Property(sends="AssumeRolePolicyDocument", form=PolicyDocument()),
        "description": Property(longest=1000, cleared=""),
        "path": Property(default="/", replaces=True, longest=512),
        "maxSessionDuration": Property(default=3600, between=(3600, 43200)),
        "permissionsBoundary": Property(reads="PermissionsBoundary.PermissionsBoundaryArn"),
        "forceDetachPolicies": Property(sends=NOT_SENT, reads=NOT_SENT, default=False),
    },
    create=(Call(operation="create_role", id="Role.RoleName"),),
    updates=(
        Update(
            on=("assumeRolePolicy",),
            do=_send_trust,
        ),
        Update(
            on=("description", "maxSessionDuration"),
            do=Call(
                operation="update_role",
                parameters={"RoleName": "{id}"},
                sends=("description", "maxSessionDuration"),
            ),
        ),
        Update(on=("permissionsBoundary",), do=_bound),
    ),
    reads=(Look(operation="get_role", parameters={"RoleName": "{id}"}, result="Role"),),
    delete=(
        _empty_role,
        Call(operation="delete_role", parameters={"RoleName": "{id}"}),
    ),
    computed={"arn": "Arn", "uniqueId": "RoleId"},
    tags=tagging.iam("role", "RoleName"),
    name=Name(longest=64),
    gone=("NoSuchEntity",),
    conflicts=(("name", "namePrefix"),),
    unimplemented=("inlinePolicies", "managedPolicyArns"),
)


def _policy_look(work: Work, description: dict[str, Any]) -> dict[str, Any]:
    # An id is all that an import gives.
    role, _, name = work.id.partition(":")
    return {"RoleName": role, "PolicyName": name, **description}


ROLE_POLICY = Resource(  # role_policy.go
    type="aws:iam/rolePolicy:RolePolicy",
    label="IAM Role Policy",
    service="iam",
    region=False,
    properties={
        "name": Property(sends="PolicyName", replaces=True, computed=True, longest=128),
        "namePrefix": Property(sends=NOT_SENT, reads=NOT_SENT, replaces=True, longest=102),
        "role": Property(sends="RoleName", replaces=True),
        "policy": Property(sends="PolicyDocument", form=PolicyDocument()),
    },
    create=(Call(operation="put_role_policy", id="{role}:{name}"),),
    updates=(Update(on=("policy",), do=Call(operation="put_role_policy"), everything=True),),
    reads=(Look(operation="get_role_policy", parameters={"RoleName": "{role}", "PolicyName": "{name}"}),),
    describe=_policy_look,
    delete=(Call(operation="delete_role_policy", parameters={"RoleName": "{role}", "PolicyName": "{name}"}),),
    name=Name(longest=128),
    gone=("NoSuchEntity",),
    conflicts=(("name", "namePrefix"),),
)


def _change_role(work: Work) -> None:
    if earlier := work.state.get("role"):
        work.call("remove_role_from_instance_profile", InstanceProfileName=work.id, RoleName=earlier)
    if wanted := work.inputs.get("role"):
        work.call("add_role_to_instance_profile", InstanceProfileName=work.id, RoleName=wanted)


def _empty_profile(work: Work) -> None:
    for role in work.call("get_instance_profile", InstanceProfileName=work.id)["InstanceProfile"]["Roles"]:
        work.call("remove_role_from_instance_profile", InstanceProfileName=work.id, RoleName=role["RoleName"])


INSTANCE_PROFILE = Resource(  # instance_profile.go
    type="aws:iam/instanceProfile:InstanceProfile",
    label="IAM Instance Profile",
    service="iam",
    region=False,
    properties={
        "name": Property(sends="InstanceProfileName", replaces=True, computed=True, longest=128),
        "namePrefix": Property(sends=NOT_SENT, reads=NOT_SENT, replaces=True, longest=102),
        "path": Property(default="/", replaces=True),
        "role": Property(sends=NOT_SENT, reads="Roles[0].RoleName"),
    },
    create=(Call(operation="create_instance_profile", id="InstanceProfile.InstanceProfileName"),),
    updates=(Update(on=("role",), do=_change_role, after_create=True),),
    reads=(
        Look(operation="get_instance_profile", parameters={"InstanceProfileName": "{id}"}, result="InstanceProfile"),
    ),
    delete=(
        _empty_profile,
        Call(operation="delete_instance_profile", parameters={"InstanceProfileName": "{id}"}),
    ),
    computed={"arn": "Arn", "uniqueId": "InstanceProfileId"},
    tags=tagging.iam("instance_profile", "InstanceProfileName"),
    name=Name(),
    gone=("NoSuchEntity",),
    conflicts=(("name", "namePrefix"),),
)

ROWS = (ROLE, ROLE_POLICY, INSTANCE_PROFILE)
