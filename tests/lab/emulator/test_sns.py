"""Topics and subscriptions behave as SNS's do."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.lab.emulator.conftest import RunningEmulator

TAGS = [{"Key": "Environment", "Value": "live"}]


def policy(topic_arn: str, action: str = "sns:Publish") -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "cloudwatch.amazonaws.com"},
        "Action": action,
        "Resource": topic_arn,
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def sns(emulator: RunningEmulator) -> Any:
    return emulator.client("sns")


@pytest.fixture
def topic_arn(sns: Any) -> str:
    return str(sns.create_topic(Name="alarms", Tags=TAGS)["TopicArn"])


def test_the_same_topic_again_is_no_error_and_one_with_other_tags_is(sns: Any, topic_arn: str) -> None:
    assert sns.create_topic(Name="alarms", Tags=TAGS)["TopicArn"] == topic_arn
    with pytest.raises(ClientError, match=r"\(InvalidParameter\).*already exists with different tags"):
        sns.create_topic(Name="alarms", Tags=[{"Key": "Environment", "Value": "int"}])


def test_a_policy_comes_back_as_it_was_put(sns: Any, topic_arn: str) -> None:
    sns.set_topic_attributes(TopicArn=topic_arn, AttributeName="Policy", AttributeValue=policy(topic_arn))
    attributes = sns.get_topic_attributes(TopicArn=topic_arn)["Attributes"]
    assert json.loads(attributes["Policy"]) == json.loads(policy(topic_arn))


@pytest.mark.parametrize("wrong", ["{nope", '"text"', "ec2:RunInstances"])
def test_policies_that_sns_refuses_are_refused(sns: Any, topic_arn: str, wrong: str) -> None:
    document = policy(topic_arn, wrong) if ":" in wrong else wrong
    with pytest.raises(ClientError, match=r"\(InvalidParameter\).*Policy"):
        sns.set_topic_attributes(TopicArn=topic_arn, AttributeName="Policy", AttributeValue=document)


def test_an_unknown_attribute_is_refused(sns: Any, topic_arn: str) -> None:
    sns.set_topic_attributes(TopicArn=topic_arn, AttributeName="KmsMasterKeyId", AttributeValue="alias/aws/sns")
    with pytest.raises(ClientError, match=r"\(InvalidParameter\).*AttributeName"):
        sns.set_topic_attributes(TopicArn=topic_arn, AttributeName="Colour", AttributeValue="red")


def test_an_email_subscription_waits_to_be_confirmed(sns: Any, topic_arn: str) -> None:
    asked = {"TopicArn": topic_arn, "Protocol": "email", "Endpoint": "team@example.com"}
    assert sns.subscribe(**asked)["SubscriptionArn"] == "pending confirmation"
    arn = sns.subscribe(**asked, ReturnSubscriptionArn=True)["SubscriptionArn"]
    attributes = sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    assert (attributes["PendingConfirmation"], attributes["Endpoint"]) == ("true", "team@example.com")
    listed = sns.list_subscriptions_by_topic(TopicArn=topic_arn)["Subscriptions"]
    assert [subscription["SubscriptionArn"] for subscription in listed] == ["PendingConfirmation"]
    with pytest.raises(ClientError, match=r"\(InvalidParameter\).*pending confirmation"):
        sns.unsubscribe(SubscriptionArn=arn)


def test_a_deleted_topic_takes_its_subscriptions_along(sns: Any, topic_arn: str) -> None:
    sns.subscribe(TopicArn=topic_arn, Protocol="email", Endpoint="team@example.com")
    sns.delete_topic(TopicArn=topic_arn)
    assert sns.list_subscriptions()["Subscriptions"] == []
    with pytest.raises(ClientError, match=r"\(NotFound\)"):
        sns.get_topic_attributes(TopicArn=topic_arn)


def test_what_is_no_address_is_refused(sns: Any, topic_arn: str) -> None:
    with pytest.raises(ClientError, match=r"\(InvalidParameter\).*Email address"):
        sns.subscribe(TopicArn=topic_arn, Protocol="email", Endpoint="team")
