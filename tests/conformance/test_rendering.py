"""Names, references and documents, without Terraform: against a schema of a few types."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from infra.graph import Graph, Resource
from tests.conformance.rendering import NotInSchemaError, differing, property_of, rendered, type_of

TEXT, NUMBER = {"type": "string", "optional": True}, {"type": "number", "optional": True}
ENTRY = ["set", ["object", {"cidr": "string", "description": "string"}]]
SCHEMA: dict[str, Any] = {
    "resource_schemas": {
        "aws_vpc": {"block": {"attributes": {"id": TEXT, "cidr_block": TEXT, "tags": {"type": ["map", "string"]}}}},
        "aws_lb": {
            "block": {
                "attributes": {"id": TEXT, "arn": TEXT, "name": TEXT},
                "block_types": {"subnet_mapping": {"block": {"attributes": {"subnet_id": TEXT}}}},
            }
        },
        "aws_launch_template": {"block": {"attributes": {"id": TEXT, "user_data": TEXT, "image_id": TEXT}}},
        "aws_ec2_managed_prefix_list": {
            "block": {"attributes": {"id": TEXT, "entry": {"type": ENTRY}, "max_entries": NUMBER}}
        },
        "aws_cloudwatch_metric_alarm": {"block": {"attributes": {"alarm_name": {"type": "string", "required": True}}}},
        "aws_autoscaling_group": {"block": {"attributes": {"id": TEXT, "name": TEXT}}},
        "aws_route53_record": {"block": {"attributes": {"zone_id": TEXT}}},
    },
    "data_source_schemas": {
        "aws_ami": {
            "block": {
                "attributes": {"owners": {"type": ["list", "string"]}},
                "block_types": {"filter": {"block": {"attributes": {"name": TEXT}}}},
            }
        },
        "aws_route53_zone": {"block": {"attributes": {"name": TEXT}}},
    },
}
VPC = Resource(
    urn="vpc::vpc", type="aws:ec2/vpc:Vpc", inputs={"cidrBlock": "10.0.0.0/16", "tags": {"CostCentre": "${x}"}},
    outputs={"id": "Vpc-vpc-id", "cidrBlock": "10.0.0.0/16"},
)  # fmt: skip


def resources(*graph: Resource) -> Any:
    return rendered(Graph.of("dev", [VPC, *graph]), SCHEMA, {"region": "eu-west-2"}, "5.0.0")["resource"]


def of(type_: str, inputs: dict[str, Any], **more: Any) -> Resource:
    return Resource(urn="one::one", type=type_, inputs=inputs, outputs={**inputs, "id": "one-id"}, **more)


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("aws:ec2/vpc:Vpc", "aws_vpc"),
        ("aws:ec2/managedPrefixList:ManagedPrefixList", "aws_ec2_managed_prefix_list"),
        ("aws:lb/loadBalancer:LoadBalancer", "aws_lb"),
        ("aws:cloudwatch/metricAlarm:MetricAlarm", "aws_cloudwatch_metric_alarm"),
    ],
)
def test_a_types_name_follows_from_its_token(token: str, expected: str) -> None:
    assert type_of(token, SCHEMA) == expected


def test_what_the_provider_lacks_is_named() -> None:
    with pytest.raises(
        NotInSchemaError, match="aws:sqs/queue:Queue: the provider has none of aws_sqs_queue, aws_queue"
    ):
        type_of("aws:sqs/queue:Queue", SCHEMA)
    with pytest.raises(NotInSchemaError, match="aws_vpc: colour is none of cidr_block, id, tags"):
        property_of("colour", SCHEMA["resource_schemas"]["aws_vpc"]["block"], "aws_vpc")


@pytest.mark.parametrize(
    ("name", "there", "expected"),
    [
        ("subnetMappings", "subnet_mapping", "subnet_mapping"),
        ("aliases", "alias", "alias"),
        ("entries", "entry", "entry"),
        ("name", "alarm_name", "alarm_name"),
        ("blockDeviceMappings", "block_device_mappings", "block_device_mappings"),
    ],
)
def test_a_propertys_name_is_the_reading_that_the_schema_has(name: str, there: str, expected: str) -> None:
    assert property_of(name, {"attributes": {there: TEXT}}, "aws_cloudwatch_metric_alarm") == expected


def test_keys_of_tags_stay_and_texts_are_no_templates() -> None:
    assert resources()["aws_vpc"]["vpc"]["tags"] == {"CostCentre": "$${x}"}


def test_what_was_made_up_is_a_reference_wherever_it_stands() -> None:
    balancer = of(
        "aws:lb/loadBalancer:LoadBalancer", {"subnetMappings": [{"subnetId": "Vpc-vpc-id"}], "name": "of Vpc-vpc-id"},
        dependencies=("vpc::vpc",), ignore_changes=("subnetMappings",),
    )  # fmt: skip
    assert resources(balancer)["aws_lb"]["one"] == {
        "subnet_mapping": [{"subnet_id": "${aws_vpc.vpc.id}"}],
        "name": "of ${aws_vpc.vpc.id}",
        "lifecycle": {"ignore_changes": ["subnet_mapping"]},
        "depends_on": ["aws_vpc.vpc"],
    }


def test_a_reference_inside_what_is_encoded_is_encoded_by_terraform() -> None:
    written = json.dumps({"network": "Vpc-vpc-id", "padding": "x" * 64})
    template = of("aws:ec2/launchTemplate:LaunchTemplate", {"userData": base64.b64encode(written.encode()).decode()})
    expected = json.dumps(written.replace("Vpc-vpc-id", "${aws_vpc.vpc.id}"))
    assert resources(template)["aws_launch_template"]["one"]["user_data"] == f"${{base64encode({expected})}}"


def test_what_is_looked_up_is_a_data_source() -> None:
    looked_up = 'getAmi({"filters": [{"name": "an-image"}], "owners": ["self"]})'
    template = of("aws:ec2/launchTemplate:LaunchTemplate", {"imageId": looked_up})
    record = Resource(
        urn="record::record", type="aws:route53/record:Record", inputs={"zoneId": "Z-eps.digital.nhs.uk"}, outputs={}
    )
    document = rendered(Graph.of("dev", [template, record]), SCHEMA, {}, "5.0.0")
    assert document["data"]["aws_ami"] == {"x-an-image-self": {"filter": [{"name": "an-image"}], "owners": ["self"]}}
    assert document["data"]["aws_route53_zone"] == {"x-eps-digital-nhs-uk": {"name": "eps.digital.nhs.uk"}}
    assert document["resource"]["aws_launch_template"]["one"]["image_id"] == "${data.aws_ami.x-an-image-self.id}"
    zone_id = document["resource"]["aws_route53_record"]["record"]["zone_id"]
    assert zone_id == "${data.aws_route53_zone.x-eps-digital-nhs-uk.zone_id}"


def test_a_name_that_pulumi_makes_up_is_given_where_terraform_asks_for_it() -> None:
    alarm = of("aws:cloudwatch/metricAlarm:MetricAlarm", {})
    assert resources(alarm)["aws_cloudwatch_metric_alarm"]["one"] == {"alarm_name": "one"}


def test_names_that_policies_look_at_have_the_form_that_pulumi_gives_them() -> None:
    group = "aws:autoscaling/group:Group"
    assert resources(of(group, {}))["aws_autoscaling_group"]["one"] == {"name": "one-0000000"}
    assert resources(of(group, {"name": "x"}))["aws_autoscaling_group"]["one"] == {"name": "x"}


def test_each_part_of_a_block_that_is_an_attribute_is_said() -> None:
    prefix_list = of(
        "aws:ec2/managedPrefixList:ManagedPrefixList", {"entries": [{"cidr": "192.0.2.0/28"}], "maxEntries": 50.0}
    )
    assert resources(prefix_list)["aws_ec2_managed_prefix_list"]["one"] == {
        "entry": [{"cidr": "192.0.2.0/28", "description": None}],
        "max_entries": 50,
    }


def test_two_documents_differ_in_what_is_said_and_not_in_what_must_be_there_first() -> None:
    before = {"resource": {"aws_vpc": {"same": {"depends_on": []}, "gone": {}, "changed": {"cidr_block": "a"}}}}
    after = {"resource": {"aws_vpc": {"same": {"depends_on": ["x"]}, "new": {}, "changed": {"cidr_block": "b"}}}}
    assert differing(before, after) == {
        "aws_vpc.gone": "delete",
        "aws_vpc.new": "create",
        "aws_vpc.changed": "update",
    }
