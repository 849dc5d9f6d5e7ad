"""How each service takes, gives and changes tags."""

from __future__ import annotations

from lab.provider.model import Call, Tagging


def ec2(kind: str) -> Tagging:
    """Tags of EC2 (API reference, CreateTags, DeleteTags); `kind` as in TagSpecification.ResourceType."""
    return Tagging(
        parameter="TagSpecifications",
        shape="specifications",
        kind=kind,
        add=Call(operation="create_tags", parameters={"Resources": ["{id}"], "Tags": "{tags_added}"}, sends=()),
        remove=Call(operation="delete_tags", parameters={"Resources": ["{id}"], "Tags": "{tag_keys_only}"}, sends=()),
    )


ELB = Tagging(
    add=Call(operation="add_tags", parameters={"ResourceArns": ["{id}"], "Tags": "{tags_added}"}, sends=()),
    remove=Call(operation="remove_tags", parameters={"ResourceArns": ["{id}"], "TagKeys": "{tag_keys}"}, sends=()),
)
"""Tags of Elastic Load Balancing (API reference, AddTags, RemoveTags)."""


def iam(kind: str, parameter: str) -> Tagging:
    """Tags of IAM (API reference, TagRole, UntagRole, ...): `kind` is `role`, `parameter` takes its name."""
    return Tagging(
        add=Call(operation=f"tag_{kind}", parameters={parameter: "{id}", "Tags": "{tags_added}"}, sends=()),
        remove=Call(operation=f"untag_{kind}", parameters={parameter: "{id}", "TagKeys": "{tag_keys}"}, sends=()),
    )


def by_arn(parameter: str = "ResourceArn") -> Tagging:
    """Tags of services with TagResource and a list of Key and Value: CloudWatch, SNS."""
    return Tagging(
        add=Call(operation="tag_resource", parameters={parameter: "{arn}", "Tags": "{tags_added}"}, sends=()),
        remove=Call(operation="untag_resource", parameters={parameter: "{arn}", "TagKeys": "{tag_keys}"}, sends=()),
    )
