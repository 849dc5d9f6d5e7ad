"""Graphs from their several sources, and what counts as a difference."""

import json
from typing import Any

import pytest

from infra.graph import ABSENT, SECRET, SECRET_KEY, SECRET_MARK, UNKNOWN, Allowed, Graph, Resource, compare, differing

VPC = "aws:ec2/vpc:Vpc"
SUBNET = "aws:ec2/subnet:Subnet"


def resource(name: str, type_: str = VPC, stack: str = "live", **fields: Any) -> Resource:
    fields = {"inputs": {}, "outputs": {}, **fields}
    return Resource(urn=f"urn:pulumi:{stack}::eps-dos-api::{type_}::{name}", type=type_, **fields)


def graph(*resources: Resource, stack: str = "live") -> Graph:
    return Graph.of(stack, resources)


def state(name: str, **fields: Any) -> dict[str, Any]:
    return {"urn": f"urn:pulumi:live::eps-dos-api::{VPC}::{name}", "type": VPC, "custom": True, **fields}


def test_an_export_becomes_a_graph_with_options_and_identities() -> None:
    export = {
        "version": 3,
        "deployment": {
            "resources": [
                state("live-vpc", id="vpc-1", inputs={"cidrBlock": "10.0.0.0/16", "__defaults": []},
                      protect=True, retainOnDelete=True, ignoreChanges=["tags"],
                      provider="urn:pulumi:live::p::providers:aws::aws::id"),
            ]
        },
    }  # fmt: skip
    (vpc,) = Graph.from_export(export)
    assert vpc == Resource(
        urn="urn:pulumi:live::eps-dos-api::aws:ec2/vpc:Vpc::live-vpc",
        type=VPC,
        inputs={"cidrBlock": "10.0.0.0/16"},
        outputs={"id": "vpc-1"},
        protect=True,
        retain_on_delete=True,
        ignore_changes=("tags",),
        provider="urn:pulumi:live::p::providers:aws::aws",
    )


def test_a_resource_that_waits_for_its_deletion_is_no_part_of_the_graph() -> None:
    export = {"deployment": {"resources": [state("old", delete=True), state("new")]}}
    assert [one.name for one in Graph.from_export(export)] == ["new"]


def test_secrets_and_unknown_values_become_marks() -> None:
    secret = {SECRET_KEY: SECRET_MARK, "ciphertext": "v1:abc"}
    unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
    preview = {"steps": [{"op": "create", "newState": state("a", inputs={"password": secret, "id": [unknown]})}]}
    (made,) = Graph.from_preview(preview)
    assert made.inputs == {"password": SECRET, "id": [UNKNOWN]}
    assert "abc" not in repr(made)


@pytest.mark.parametrize("read", [Graph.from_export, Graph.from_preview])
def test_something_else_is_refused_with_the_command_that_makes_the_right_thing(read: Any) -> None:
    with pytest.raises(ValueError, match="make one with: pulumi"):
        read({"unexpected": True})


def test_one_names_what_is_there_when_it_finds_nothing() -> None:
    with pytest.raises(LookupError, match=r"live: 0 of aws:ec2/vpc:Vpc named missing; .*: live-vpc"):
        graph(resource("live-vpc")).one(VPC, "missing")


def test_the_same_in_another_stack_is_no_difference() -> None:
    left = graph(resource("live-vpc", inputs={"name": "eps-dos-api-live-x", "tags": {"Environment": "live"}}))
    right = graph(
        resource("nft-vpc", stack="nft", inputs={"name": "eps-dos-api-nft-x", "tags": {"Environment": "nft"}}),
        stack="nft",
    )
    assert compare(left, right) == ()


def test_a_short_stack_name_inside_a_word_is_left_alone() -> None:
    left = graph(resource("int-endpoint", stack="int", inputs={"x": "endpoint"}), stack="int")
    assert left.normalised("endpoint of int") == "endpoint of int"
    assert left.key("urn:pulumi:int::p::t::int-endpoint") == "t::<stack>-endpoint"


@pytest.mark.parametrize("backwards", [False, True])
def test_a_name_that_two_resources_have_is_the_same_in_any_order_of_the_state(backwards: bool) -> None:
    def side(stack: str, backwards: bool) -> Graph:
        name = f"eps-dos-api-{stack}-service"
        both = [
            resource(f"{stack}-service", type_, stack, inputs={"name": name}, outputs={"id": name})
            for type_ in ("aws:cloudwatch/logGroup:LogGroup", "aws:iam/role:Role")
        ]
        return graph(*(both[::-1] if backwards else both), stack=stack)

    assert compare(side("live", backwards=False), side("nft", backwards)) == ()


def test_a_name_that_others_begin_with_is_taken_for_none_of_them() -> None:
    dashboard = resource("live-dashboard", "aws:cloudwatch/dashboard:Dashboard", outputs={"id": "eps-dos-api-live"})
    live = graph(dashboard, resource("live-vpc"))
    assert live.normalised("policy/eps-dos-api-live-boundary") == "policy/eps-dos-api-<stack>-boundary"


def test_an_id_is_compared_by_what_it_refers_to() -> None:
    def stack(name: str, vpc_id: str, used: str) -> Graph:
        return graph(
            resource(f"{name}-vpc", stack=name, outputs={"id": vpc_id}),
            resource(f"{name}-other", stack=name, outputs={"id": f"{vpc_id}-other"}),
            resource(f"{name}-a", SUBNET, stack=name, inputs={"vpcId": used}),
            stack=name,
        )

    assert compare(stack("live", "vpc-111", "vpc-111"), stack("nft", "vpc-222", "vpc-222")) == ()
    (wrong,) = compare(stack("live", "vpc-111", "vpc-111"), stack("nft", "vpc-222", "vpc-222-other"))
    assert (wrong.path, wrong.left) == ("vpcId", "<aws:ec2/vpc:Vpc::<stack>-vpc.id>")


def test_what_both_share_is_compared_as_written_though_one_owns_it() -> None:
    bucket = "aws:s3/bucket:Bucket"
    owned = resource("live-data", bucket, outputs={"id": "the-live-data"})
    left = graph(owned, resource("live-a", inputs={"reads": "arn:aws:s3:::the-live-data/*"}))
    right = graph(resource("nft-a", stack="nft", inputs={"reads": "arn:aws:s3:::the-live-data/*"}), stack="nft")
    assert "reads" in [one.path for one in compare(left, right)]
    shared = [one.path for one in compare(left.sharing(["the-live-data"]), right.sharing(["the-live-data"]))]
    assert shared == [""]


def test_documents_are_compared_by_what_they_say() -> None:
    left = graph(resource("a", inputs={"policy": json.dumps({"Statement": [{"Effect": "Allow", "Action": "x"}]})}))
    right = graph(resource("a", inputs={"policy": '{"Statement":[{"Action":"y","Effect":"Allow"}]}'}))
    (changed,) = compare(left, right)
    assert (changed.path, changed.left, changed.right) == ("policy.Statement[].Action", "x", "y")


def test_the_order_of_a_list_is_no_difference_and_an_extra_element_is_one() -> None:
    assert list(differing({"ids": ["a", "b"]}, {"ids": ["b", "a"]})) == []
    assert list(differing({"ids": ["a"]}, {"ids": ["b", "a"]})) == [("ids[]", ABSENT, "b")]


def test_an_element_that_is_there_twice_is_missed_when_it_is_there_once() -> None:
    assert list(differing({"ids": ["a", "a"]}, {"ids": ["a"]})) == [("ids[]", "a", ABSENT)]


def test_a_missing_resource_is_one_difference() -> None:
    (gone,) = compare(graph(resource("live-vpc")), graph())
    assert (gone.key, gone.path, gone.right) == ("aws:ec2/vpc:Vpc::<stack>-vpc", "", ABSENT)


@pytest.mark.parametrize(
    ("option", "path"),
    [
        ({"protect": True}, "(options).protect"),
        ({"retain_on_delete": True}, "(options).retainOnDelete"),
        ({"ignore_changes": ("tags",)}, "(options).ignoreChanges[]"),
        ({"parent": "urn:pulumi:live::eps-dos-api::t::p"}, "(options).parent"),
        ({"dependencies": ("urn:pulumi:live::eps-dos-api::t::p",)}, "(options).dependencies[]"),
    ],
)
def test_options_count_as_properties_do(option: dict[str, Any], path: str) -> None:
    (changed,) = compare(graph(resource("a")), graph(resource("a", **option)))
    assert changed.path == path


def test_a_difference_is_allowed_by_type_path_and_condition() -> None:
    doubled = Allowed(
        type="aws:*:Vpc", path="rules[].size", reason="scaled", holds=lambda left, right: right == 2 * left  # type: ignore[operator]  # numbers
    )  # fmt: skip
    left = graph(resource("a", inputs={"rules": [{"size": 2}]}))
    (fine,) = compare(left, graph(resource("a", inputs={"rules": [{"size": 4}]})), [doubled])
    assert fine.allowed is doubled
    (wrong,) = compare(left, graph(resource("a", inputs={"rules": [{"size": 5}]})), [doubled])
    assert wrong.allowed is None


def test_one_and_one_point_zero_are_the_same_number() -> None:
    assert compare(graph(resource("a", inputs={"n": 1})), graph(resource("a", inputs={"n": 1.0}))) == ()


def test_true_is_not_one() -> None:
    assert len(compare(graph(resource("a", inputs={"n": True})), graph(resource("a", inputs={"n": 1})))) == 1
