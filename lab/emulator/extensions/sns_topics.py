"""Topics and subscriptions: what waits for confirmation, and what SNS refuses.

Rules: SNS API reference (CreateTopic, Subscribe, Unsubscribe, SetTopicAttributes, ListSubscriptions). In moto an e-mail
address is subscribed without being asked, and a topic takes any attribute and any policy.
Left out: delivery.
"""

from __future__ import annotations

import json
import re
from typing import Any

from moto.core.responses import ActionResult
from moto.sns.exceptions import SNSInvalidParameter
from moto.sns.models import SNSBackend, Subscription, Topic, sns_backends
from moto.sns.responses import SNSResponse

from lab.emulator.extensions.hooks import adds_to, extends, is_true

CONFIRMED_BY_HAND = ("email", "email-json", "http", "https")
ATTRIBUTES = (
    "ArchivePolicy",
    "ContentBasedDeduplication",
    "DeliveryPolicy",
    "DisplayName",
    "FifoThroughputScope",
    "KmsMasterKeyId",
    "Policy",
    "SignatureVersion",
    "TracingConfig",
)
FEEDBACK = re.compile(r"(HTTP|Firehose|Lambda|Application|SQS)(Success|Failure)Feedback(RoleArn|SampleRate)")
EMAIL_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


@extends(sns_backends)
class Topics(SNSBackend):
    """moto's backend, with these rules."""

    def create_topic(
        self, name: str, attributes: dict[str, str] | None = None, tags: dict[str, str] | None = None
    ) -> Topic:
        """CreateTopic: the same again is the same topic; with other tags it is an error."""
        existing = next((topic for topic in self.topics.values() if topic.name == name), None)
        if existing is not None and tags and dict(existing._tags or {}) != dict(tags):
            raise SNSInvalidParameter("Invalid parameter: Tags Reason: Topic already exists with different tags")
        if "Policy" in (attributes or {}):
            _check_policy((attributes or {})["Policy"])
        return super().create_topic(name, attributes, tags)

    def set_topic_attribute(self, topic_arn: str, attribute_name: str, attribute_value: str) -> None:
        """SetTopicAttributes."""
        if attribute_name == "policy" and attribute_value:
            _check_policy(attribute_value)
        super().set_topic_attribute(topic_arn, attribute_name, attribute_value)

    def subscribe(self, topic_arn: str, endpoint: str, protocol: str) -> Subscription:
        """Subscribe: whoever has to be asked stays pending."""
        if protocol.startswith("email") and not EMAIL_ADDRESS.fullmatch(endpoint):
            raise SNSInvalidParameter("Invalid parameter: Email address")
        known = set(self.subscriptions)
        subscription = super().subscribe(topic_arn, endpoint, protocol)
        if subscription.arn not in known and protocol in CONFIRMED_BY_HAND:
            subscription.attributes["PendingConfirmation"] = True
            subscription.attributes["ConfirmationWasAuthenticated"] = False
        return subscription

    def unsubscribe(self, subscription_arn: str) -> None:
        """Unsubscribe: not before it is confirmed. A pending one goes with its topic."""
        subscription = self.subscriptions.get(subscription_arn)
        if subscription is not None and is_pending(subscription):
            raise SNSInvalidParameter(
                "Invalid parameter: SubscriptionArn Reason: "
                "Cannot unsubscribe a subscription that is pending confirmation"
            )
        super().unsubscribe(subscription_arn)


_moto_set_topic_attributes = SNSResponse.set_topic_attributes
_moto_subscribe = SNSResponse.subscribe
_moto_list_by_topic = SNSResponse.list_subscriptions_by_topic
_moto_list = SNSResponse.list_subscriptions


@adds_to(SNSResponse)
class TopicActions(SNSResponse):
    """What moto's answers leave out."""

    def set_topic_attributes(self) -> ActionResult:
        """SetTopicAttributes: only those that there are."""
        name = self._get_param("AttributeName")
        if name not in ATTRIBUTES and not FEEDBACK.fullmatch(name):
            raise SNSInvalidParameter("Invalid parameter: AttributeName")
        return _moto_set_topic_attributes(self)

    def subscribe(self) -> ActionResult:
        """Subscribe: a pending one's ARN is told only to who asks for it."""
        answer: Any = _moto_subscribe(self)
        arn = answer.result["SubscriptionArn"]
        asked = is_true(self._get_param("ReturnSubscriptionArn"))
        if is_pending(self.backend.subscriptions[arn]) and not asked:
            return ActionResult({"SubscriptionArn": "pending confirmation"})
        return ActionResult({"SubscriptionArn": arn})

    def list_subscriptions_by_topic(self) -> ActionResult:
        """ListSubscriptionsByTopic: a pending one has no ARN there."""
        return _listed(_moto_list_by_topic(self))

    def list_subscriptions(self) -> ActionResult:
        """ListSubscriptions: likewise."""
        return _listed(_moto_list(self))


def is_pending(subscription: Subscription) -> bool:
    """Tell whether the subscription waits to be confirmed."""
    return is_true(subscription.attributes.get("PendingConfirmation")) and not subscription.confirmed


def _listed(answer: Any) -> ActionResult:
    subscriptions = [
        {
            "SubscriptionArn": "PendingConfirmation" if is_pending(subscription) else subscription.arn,
            "Owner": subscription.owner,
            "Protocol": subscription.protocol,
            "Endpoint": subscription.endpoint,
            "TopicArn": subscription.topic_arn,
        }
        for subscription in answer.result["Subscriptions"]
    ]
    return ActionResult({"Subscriptions": subscriptions, "NextToken": answer.result["NextToken"]})


def _check_policy(policy: str) -> None:
    try:
        statements = json.loads(policy)["Statement"]
    except (ValueError, KeyError, TypeError):
        raise SNSInvalidParameter("Invalid parameter: Policy Error: null") from None
    for statement in statements if isinstance(statements, list) else [statements]:
        actions = statement.get("Action", [])
        for action in actions if isinstance(actions, list) else [actions]:
            if action != "*" and not action.lower().startswith("sns:"):
                raise SNSInvalidParameter("Invalid parameter: Policy statement action out of service scope!")
