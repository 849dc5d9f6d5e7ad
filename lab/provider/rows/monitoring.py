"""Rows of CloudWatch, CloudWatch Logs and SNS: alarms, dashboards, log groups, topics.

What replaces is from hashicorp/terraform-provider-aws, internal/service/{cloudwatch,logs,sns}, the file named at each
row. Left out: alarms on metric queries, delivery feedback of topics, subscriptions that somebody must confirm by hand
(they are made, and stay pending).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from lab.provider.forms import TAGS, Document, NumberText, Pairs, SetOf
from lab.provider.forms import FlagText as Flag
from lab.provider.forms import Policy as PolicyDocument
from lab.provider.model import NOT_SENT, Call, Look, Name, Property, Resource, Tagging, Update
from lab.provider.rows import tagging
from lab.provider.work import Work, code_of


def _with_tags(work: Work, description: dict[str, Any]) -> dict[str, Any]:
    tags = work.call("list_tags_for_resource", ResourceARN=description["AlarmArn"]).get("Tags", [])
    return {**description, "Tags": tags, "TreatMissingData": description.get("TreatMissingData") or "missing"}


_ALARM_ACTIONS = {
    "alarmActions": Property(form=SetOf()),
    "okActions": Property(sends="OKActions", form=SetOf()),
    "insufficientDataActions": Property(form=SetOf()),
}

_METRIC_ALARM_PROPERTIES = {
    "comparisonOperator": Property(
        allowed=(
            "GreaterThanOrEqualToThreshold", "GreaterThanThreshold", "LessThanThreshold",
            "LessThanOrEqualToThreshold", "LessThanLowerOrGreaterThanUpperThreshold", "LessThanLowerThreshold",
            "GreaterThanUpperThreshold",
        )
    ),
    "evaluationPeriods": Property(),
    "metricName": Property(longest=255),
    "namespace": Property(longest=255),
    "period": Property(),
    "statistic": Property(allowed=("SampleCount", "Average", "Sum", "Minimum", "Maximum")),
    "extendedStatistic": Property(),
    "threshold": Property(),
    "thresholdMetricId": Property(),
    "actionsEnabled": Property(default=True),
    "alarmDescription": Property(longest=1024),
    "datapointsToAlarm": Property(),
    "dimensions": Property(form=Pairs()),
    "evaluateLowSampleCountPercentiles": Property(sends="EvaluateLowSampleCountPercentile", computed=True),
    "treatMissingData": Property(default="missing", allowed=("missing", "ignore", "breaching", "notBreaching")),
    "unit": Property(),
    **_ALARM_ACTIONS,
}  # fmt: skip


def _metric_alarm_rules(inputs: Mapping[str, Any]) -> list[tuple[str, str]]:
    if inputs.get("metricName") is not None and (inputs.get("statistic") is None) == (
        inputs.get("extendedStatistic") is None
    ):
        return [("statistic", "One of `statistic` or `extendedStatistic` must be set for a cloudwatch metric alarm")]
    return []


METRIC_ALARM = Resource(  # metric_alarm.go: ForceNew name
    type="aws:cloudwatch/metricAlarm:MetricAlarm",
    label="CloudWatch Metric Alarm",
    service="cloudwatch",
    properties={"name": Property(sends="AlarmName", replaces=True, longest=255), **_METRIC_ALARM_PROPERTIES},
    create=(Call(operation="put_metric_alarm", id="{name}"),),
    updates=(
        Update(on=tuple(_METRIC_ALARM_PROPERTIES), do=Call(operation="put_metric_alarm"), everything=True),
    ),
    reads=(
        Look(
            operation="describe_alarms",
            parameters={"AlarmNames": ["{id}"], "AlarmTypes": ["MetricAlarm"]},
            result="MetricAlarms[0]",
        ),
    ),
    describe=_with_tags,
    delete=(Call(operation="delete_alarms", parameters={"AlarmNames": ["{id}"]}),),
    computed={"arn": "AlarmArn"},
    tags=tagging.by_arn("ResourceARN"),
    name=Name(prefix_property=""),
    gone=("ResourceNotFound", "ResourceNotFoundException"),
    checks=(_metric_alarm_rules,),
    unimplemented=(
        "evaluationCriteria", "evaluationInterval", "evaluationWindow", "metricQueries", "warmUpConfiguration",
    ),
)  # fmt: skip

_COMPOSITE_PROPERTIES = {
    "alarmRule": Property(longest=10240),
    "alarmDescription": Property(longest=1024),
    **_ALARM_ACTIONS,
}

COMPOSITE_ALARM = Resource(  # composite_alarm.go: ForceNew name and actions_enabled
    type="aws:cloudwatch/compositeAlarm:CompositeAlarm",
    label="CloudWatch Composite Alarm",
    service="cloudwatch",
    properties={
        "alarmName": Property(replaces=True, longest=255),
        "actionsEnabled": Property(default=True, replaces=True),
        **_COMPOSITE_PROPERTIES,
    },
    create=(Call(operation="put_composite_alarm", id="{alarmName}"),),
    updates=(Update(on=tuple(_COMPOSITE_PROPERTIES), do=Call(operation="put_composite_alarm"), everything=True),),
    reads=(
        Look(
            operation="describe_alarms",
            parameters={"AlarmNames": ["{id}"], "AlarmTypes": ["CompositeAlarm"]},
            result="CompositeAlarms[0]",
        ),
    ),
    describe=_with_tags,
    delete=(Call(operation="delete_alarms", parameters={"AlarmNames": ["{id}"]}),),
    computed={"arn": "AlarmArn"},
    tags=tagging.by_arn("ResourceARN"),
    gone=("ResourceNotFound", "ResourceNotFoundException"),
    unimplemented=("actionsSuppressor",),
)

DASHBOARD = Resource(  # dashboard.go: ForceNew name
    type="aws:cloudwatch/dashboard:Dashboard",
    label="CloudWatch Dashboard",
    service="cloudwatch",
    properties={
        "dashboardName": Property(replaces=True, longest=255),
        "dashboardBody": Property(form=Document()),
    },
    create=(Call(operation="put_dashboard", id="{dashboardName}"),),
    updates=(Update(on=("dashboardBody",), do=Call(operation="put_dashboard"), everything=True),),
    reads=(Look(operation="get_dashboard", parameters={"DashboardName": "{id}"}),),
    delete=(Call(operation="delete_dashboards", parameters={"DashboardNames": ["{id}"]}),),
    computed={"dashboardArn": "DashboardArn"},
    gone=("ResourceNotFound", "DashboardNotFoundError"),
)


def _set_retention(work: Work) -> None:
    if days := work.inputs.get("retentionInDays"):
        work.call("put_retention_policy", logGroupName=work.id, retentionInDays=days)
    else:
        work.call("delete_retention_policy", logGroupName=work.id)


def _set_key(work: Work) -> None:
    if key := work.inputs.get("kmsKeyId"):
        work.call("associate_kms_key", logGroupName=work.id, kmsKeyId=key)
    else:
        work.call("disassociate_kms_key", logGroupName=work.id)


def _this_group(work: Work, description: dict[str, Any]) -> dict[str, Any] | None:
    # The call finds every group whose name starts like this.
    found = next((one for one in description.get("groups") or [] if one["logGroupName"] == work.id), None)
    if found is None:
        return None
    arn = str(found["arn"]).removesuffix(":*")
    tags = work.call("list_tags_for_resource", resourceArn=arn).get("tags", {})
    return {**found, "arn": arn, "Tags": tags}


def _delete_log_group(work: Work) -> None:
    if not work.state.get("skipDestroy"):
        work.call("delete_log_group", logGroupName=work.id)


_RETENTIONS = (
    0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
)  # fmt: skip
"""CloudWatch Logs API reference, PutRetentionPolicy: retentionInDays; 0 means for ever."""


def _log_group_rules(inputs: Mapping[str, Any]) -> list[tuple[str, str]]:
    days = inputs.get("retentionInDays")
    if isinstance(days, int) and days not in _RETENTIONS:
        return [("retentionInDays", f"expected retentionInDays to be one of {list(_RETENTIONS)}, got {days}")]
    return []


LOG_GROUP = Resource(  # group.go: ForceNew name, prefix, class
    type="aws:cloudwatch/logGroup:LogGroup",
    label="CloudWatch Logs Log Group",
    service="logs",
    properties={
        "name": Property(sends="logGroupName", replaces=True, computed=True, longest=512),
        "namePrefix": Property(sends=NOT_SENT, reads=NOT_SENT, replaces=True, longest=486),
        "retentionInDays": Property(sends=NOT_SENT, reads="retentionInDays", default=0),
        "kmsKeyId": Property(sends="kmsKeyId"),
        "logGroupClass": Property(sends="logGroupClass", computed=True, replaces=True),
        "skipDestroy": Property(sends=NOT_SENT, reads=NOT_SENT, default=False),
    },
    create=(Call(operation="create_log_group", id="{name}"),),
    updates=(
        Update(on=("retentionInDays",), do=_set_retention, after_create=True),
        Update(on=("kmsKeyId",), do=_set_key),
    ),
    reads=(
        Look(operation="describe_log_groups", parameters={"logGroupNamePrefix": "{id}"}, result="{groups: logGroups}"),
    ),
    describe=_this_group,
    delete=(_delete_log_group,),
    computed={"arn": "arn"},
    tags=Tagging(
        parameter="tags",
        shape="map",
        add=Call(operation="tag_resource", parameters={"resourceArn": "{arn}", "tags": "{tags_added}"}, sends=()),
        remove=Call(operation="untag_resource", parameters={"resourceArn": "{arn}", "tagKeys": "{tag_keys}"}, sends=()),
    ),
    name=Name(longest=512),
    gone=("ResourceNotFoundException",),
    conflicts=(("name", "namePrefix"),),
    checks=(_log_group_rules,),
    unimplemented=("deletionProtectionEnabled",),
)

_TOPIC_ATTRIBUTES: dict[str, tuple[str, dict[str, Any]]] = {
    "displayName": ("DisplayName", {}),
    "policy": ("Policy", {"form": PolicyDocument(), "computed": True}),
    "deliveryPolicy": ("DeliveryPolicy", {"form": Document()}),
    "kmsMasterKeyId": ("KmsMasterKeyId", {}),
    "fifoTopic": ("FifoTopic", {"form": Flag(), "default": False, "replaces": True}),
    "contentBasedDeduplication": ("ContentBasedDeduplication", {"form": Flag(), "default": False}),
    "signatureVersion": ("SignatureVersion", {"form": NumberText(), "computed": True}),
    "tracingConfig": ("TracingConfig", {"computed": True}),
}


def _attribute_value(properties: Mapping[str, Property], name: str, value: Any) -> str:
    return str(properties[name].form.send(value))


def _create_topic(work: Work) -> None:
    attributes = {
        attribute: _attribute_value(work.row.properties, name, work.inputs[name])
        for name, (attribute, _facts) in _TOPIC_ATTRIBUTES.items()
        if work.inputs.get(name) not in (None, False)
    }
    parameters: dict[str, Any] = {"Name": work.inputs["name"]}
    if attributes:
        parameters["Attributes"] = attributes
    if tags := work.inputs.get("tagsAll"):
        parameters["Tags"] = TAGS.send(tags)
    work.id = work.call("create_topic", **parameters)["TopicArn"]


def _set_topic_attributes(work: Work) -> None:
    for name, (attribute, _facts) in _TOPIC_ATTRIBUTES.items():
        if name in work.changed:
            value = work.inputs.get(name)
            work.call(
                "set_topic_attributes",
                TopicArn=work.id,
                AttributeName=attribute,
                AttributeValue="" if value is None else _attribute_value(work.row.properties, name, value),
            )


def _topic_name(_work: Work, description: dict[str, Any]) -> dict[str, Any]:
    return {**description, "Name": str(description["Attributes"]["TopicArn"]).rsplit(":", 1)[-1]}


def _fifo(name: str, inputs: Mapping[str, Any]) -> str:
    return f"{name}.fifo" if inputs.get("fifoTopic") else name


_TOPIC_LOOK = Look(
    operation="get_topic_attributes",
    parameters={"TopicArn": "{id}"},
    result="{Attributes: Attributes}",
)

TOPIC = Resource(  # topic.go: ForceNew name, prefix, fifo
    type="aws:sns/topic:Topic",
    label="SNS Topic",
    service="sns",
    properties={
        "name": Property(replaces=True, computed=True, longest=256),
        "namePrefix": Property(sends=NOT_SENT, reads=NOT_SENT, replaces=True, longest=230),
        **{
            name: Property(sends=NOT_SENT, reads=f"Attributes.{attribute}", **facts)
            for name, (attribute, facts) in _TOPIC_ATTRIBUTES.items()
        },
    },
    create=(_create_topic,),
    updates=(Update(on=tuple(_TOPIC_ATTRIBUTES), do=_set_topic_attributes),),
    reads=(
        _TOPIC_LOOK,
        Look(operation="list_tags_for_resource", parameters={"ResourceArn": "{id}"}, result="Tags", into="Tags"),
    ),
    describe=_topic_name,
    delete=(Call(operation="delete_topic", parameters={"TopicArn": "{id}"}),),
    computed={"arn": "Attributes.TopicArn", "owner": "Attributes.Owner"},
    tags=tagging.by_arn(),
    name=Name(longest=80, finish=_fifo),
    gone=("NotFound", "NotFoundException"),
    conflicts=(("name", "namePrefix"),),
    unimplemented=(
        "archivePolicy", "fifoThroughputScope", "maximumMessageSize",
        *(
            f"{kind}{part}"
            for kind in ("application", "firehose", "http", "lambda", "sqs")
            for part in ("FailureFeedbackRoleArn", "SuccessFeedbackRoleArn", "SuccessFeedbackSampleRate")
        ),
    ),
)  # fmt: skip


def _put_topic_policy(work: Work) -> None:
    arn = work.inputs["arn"]
    work.call("set_topic_attributes", TopicArn=arn, AttributeName="Policy", AttributeValue=work.inputs["policy"])
    work.id = arn


def _reset_topic_policy(work: Work) -> None:
    """Give the topic the policy that AWS gives a new one (Amazon SNS API reference, CreateTopic)."""
    policy = {
        "Version": "2008-10-17",
        "Id": "__default_policy_ID",
        "Statement": [
            {
                "Sid": "__default_statement_ID",
                "Effect": "Allow",
                "Principal": {"AWS": "*"},
                "Action": [
                    f"SNS:{action}"
                    for action in (
                        "GetTopicAttributes", "SetTopicAttributes", "AddPermission", "RemovePermission",
                        "DeleteTopic", "Subscribe", "ListSubscriptionsByTopic", "Publish",
                    )
                ],
                "Resource": work.id,
                "Condition": {"StringEquals": {"AWS:SourceOwner": work.connection.account}},
            }
        ],
    }  # fmt: skip
    work.call("set_topic_attributes", TopicArn=work.id, AttributeName="Policy", AttributeValue=json.dumps(policy))


TOPIC_POLICY = Resource(  # topic_policy.go: ForceNew arn
    type="aws:sns/topicPolicy:TopicPolicy",
    label="SNS Topic Policy",
    service="sns",
    properties={
        "arn": Property(sends=NOT_SENT, reads="Attributes.TopicArn", replaces=True),
        "policy": Property(sends=NOT_SENT, reads="Attributes.Policy", form=PolicyDocument()),
    },
    create=(_put_topic_policy,),
    updates=(Update(on=("policy",), do=_put_topic_policy),),
    reads=(_TOPIC_LOOK,),
    delete=(_reset_topic_policy,),
    computed={"owner": "Attributes.Owner"},
    gone=("NotFound", "NotFoundException"),
)

_SUBSCRIPTION_ATTRIBUTES: dict[str, tuple[str, dict[str, Any]]] = {
    "deliveryPolicy": ("DeliveryPolicy", {"form": Document()}),
    "filterPolicy": ("FilterPolicy", {"form": Document()}),
    "filterPolicyScope": ("FilterPolicyScope", {"computed": True}),
    "rawMessageDelivery": ("RawMessageDelivery", {"form": Flag(), "default": False}),
    "redrivePolicy": ("RedrivePolicy", {"form": Document()}),
    "subscriptionRoleArn": ("SubscriptionRoleArn", {}),
}


def _subscribe(work: Work) -> None:
    attributes = {
        attribute: _attribute_value(work.row.properties, name, work.inputs[name])
        for name, (attribute, _facts) in _SUBSCRIPTION_ATTRIBUTES.items()
        if work.inputs.get(name) not in (None, False)
    }
    work.id = work.call(
        "subscribe",
        TopicArn=work.inputs["topic"],
        Protocol=work.inputs["protocol"],
        Endpoint=work.inputs["endpoint"],
        Attributes=attributes,
        # Otherwise an unconfirmed subscription has no ARN to keep.
        ReturnSubscriptionArn=True,
    )["SubscriptionArn"]


def _set_subscription_attributes(work: Work) -> None:
    for name, (attribute, _facts) in _SUBSCRIPTION_ATTRIBUTES.items():
        if name in work.changed:
            value = work.inputs.get(name)
            empty = "{}" if name == "filterPolicy" else ""
            work.call(
                "set_subscription_attributes",
                SubscriptionArn=work.id,
                AttributeName=attribute,
                AttributeValue=empty if value is None else _attribute_value(work.row.properties, name, value),
            )


def _unsubscribe(work: Work) -> None:
    try:
        work.call("unsubscribe", SubscriptionArn=work.id)
    except ClientError as error:
        # One that is still to be confirmed can't be deleted; AWS drops it after some days.
        if code_of(error) != "InvalidParameter" or "pending confirmation" not in str(error):
            raise


TOPIC_SUBSCRIPTION = Resource(  # topic_subscription.go: ForceNew topic, protocol, endpoint
    type="aws:sns/topicSubscription:TopicSubscription",
    label="SNS Topic Subscription",
    service="sns",
    properties={
        "topic": Property(sends=NOT_SENT, reads="TopicArn", replaces=True),
        "protocol": Property(
            sends=NOT_SENT,
            reads="Protocol",
            replaces=True,
            allowed=("application", "email", "email-json", "firehose", "http", "https", "lambda", "sms", "sqs"),
        ),
        "endpoint": Property(sends=NOT_SENT, reads="Endpoint", replaces=True),
        "endpointAutoConfirms": Property(sends=NOT_SENT, reads=NOT_SENT, default=False),
        "confirmationTimeoutInMinutes": Property(sends=NOT_SENT, reads=NOT_SENT, default=1),
        **{
            name: Property(sends=NOT_SENT, reads=attribute, **facts)
            for name, (attribute, facts) in _SUBSCRIPTION_ATTRIBUTES.items()
        },
    },
    create=(_subscribe,),
    updates=(Update(on=tuple(_SUBSCRIPTION_ATTRIBUTES), do=_set_subscription_attributes),),
    reads=(Look(operation="get_subscription_attributes", parameters={"SubscriptionArn": "{id}"}, result="Attributes"),),
    delete=(_unsubscribe,),
    computed={
        "arn": "SubscriptionArn",
        "ownerId": "Owner",
        "pendingConfirmation": "PendingConfirmation == 'true'",
        "confirmationWasAuthenticated": "ConfirmationWasAuthenticated == 'true'",
    },
    gone=("NotFound", "NotFoundException"),
    unimplemented=("replayPolicy",),
)

ROWS = (
    METRIC_ALARM,
    COMPOSITE_ALARM,
    DASHBOARD,
    LOG_GROUP,
    TOPIC,
    TOPIC_POLICY,
    TOPIC_SUBSCRIPTION,
)
