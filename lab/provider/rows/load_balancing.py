"""Rows of Elastic Load Balancing: network load balancers, listeners, target groups.

What replaces is from hashicorp/terraform-provider-aws, internal/service/elbv2, the file named at each row. Left out:
what only application and gateway load balancers have, access logs, address pools.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lab.provider.changes import Change, Kind
from lab.provider.forms import PLAIN, Caseless, FlagText, ListOf, NumberText, Part, Renamed, SetOf, nested
from lab.provider.forms import Form as ValueForm
from lab.provider.model import NOT_SENT, SPREAD, Call, Look, Name, Property, Resource, Step, Update, Waiting
from lab.provider.rows import tagging
from lab.provider.wire import UNKNOWN, has_unknown
from lab.provider.work import Work

_LONGEST_NAME = 32
"""Elastic Load Balancing API reference, CreateLoadBalancer and CreateTargetGroup: Name."""


_TAGS = Look(
    operation="describe_tags", parameters={"ResourceArns": ["{id}"]}, result="TagDescriptions[0].Tags", into="Tags"
)


def _attribute(key: str, form: ValueForm = PLAIN, **facts: Any) -> Property:
    return Property(sends=NOT_SENT, reads=f"Attributes[?Key=='{key}'].Value | [0]", form=form, **facts)


def _set_attributes(operation: str, parameter: str, keys: Mapping[str, str], forms: Mapping[str, ValueForm]) -> Step:
    def set_attributes(work: Work) -> None:
        attributes = [
            {"Key": key, "Value": str(forms[name].send(work.inputs[name]))}
            for name, key in keys.items()
            if name in work.changed and work.inputs.get(name) is not None
        ]
        if attributes:
            parameters: dict[str, Any] = {parameter: work.id, "Attributes": attributes}
            work.call(operation, **parameters)

    return set_attributes


_LB_ATTRIBUTES: dict[str, tuple[str, ValueForm, dict[str, Any]]] = {
    "enableCrossZoneLoadBalancing": ("load_balancing.cross_zone.enabled", FlagText(), {"default": False}),
    "enableDeletionProtection": ("deletion_protection.enabled", FlagText(), {"default": False}),
    "dnsRecordClientRoutingPolicy": (
        "dns_record.client_routing_policy",
        PLAIN,
        {
            "default": "any_availability_zone",
            "allowed": (
                "availability_zone_affinity",
                "partial_availability_zone_affinity",
                "any_availability_zone",
            ),
        },
    ),
    "enableZonalShift": ("zonal_shift.config.enabled", FlagText(), {"default": False}),
}

_MAPPING = nested(
    "subnetId allocationId",
    privateIpv4Address=Part("PrivateIPv4Address"),
    ipv6Address=Part("IPv6Address"),
)


def _described_balancer(_work: Work, description: dict[str, Any]) -> dict[str, Any]:
    zones = description.get("AvailabilityZones") or []
    mappings = []
    for zone in zones:
        address = (zone.get("LoadBalancerAddresses") or [{}])[0]
        mappings.append({**address, "SubnetId": zone.get("SubnetId")})
    return {
        **description,
        "SubnetMappings": mappings,
        "Subnets": [zone.get("SubnetId") for zone in zones],
        # What CloudWatch's dimension LoadBalancer takes.
        "Suffix": str(description["LoadBalancerArn"]).split(":loadbalancer/")[-1],
    }


def _set_security_groups(work: Work) -> None:
    work.call("set_security_groups", LoadBalancerArn=work.id, SecurityGroups=work.inputs.get("securityGroups") or [])


def _set_subnets(work: Work) -> None:
    if mappings := work.inputs.get("subnetMappings"):
        work.call("set_subnets", LoadBalancerArn=work.id, SubnetMappings=[_MAPPING.send(item) for item in mappings])
    else:
        work.call("set_subnets", LoadBalancerArn=work.id, Subnets=work.inputs.get("subnets") or [])


def _replaced_balancer(changes: Sequence[Change], state: Mapping[str, Any], news: Mapping[str, Any]) -> list[str]:
    """What CustomizeDiff replaces a network load balancer for.

    Subnets can be added and nothing else; a first security group can't be added, nor the last one removed. What isn't
    known yet is taken for a change that can be made in place, as there.
    """
    replacing: list[str] = []
    for name in ("subnetMappings", "subnets"):
        mine = [change for change in changes if change.property == name]
        if mine and not has_unknown(news.get(name)) and any(change.kind is not Kind.ADD for change in mine):
            replacing += [change.path for change in mine if change.kind is not Kind.ADD]
        # Inside a mapping an added address is a change of that mapping.
        replacing += [change.path for change in mine if change.path.count(".") and not has_unknown(news.get(name))]
    groups = news.get("securityGroups")
    if not has_unknown(groups) and bool(groups) != bool(state.get("securityGroups")):
        replacing += [change.path for change in changes if change.property == "securityGroups"]
    return replacing


def _balancer_rules(inputs: Mapping[str, Any]) -> list[tuple[str, str]]:
    if inputs.get("loadBalancerType") not in ("network", UNKNOWN):
        return [
            (
                "loadBalancerType",
                "the lab's stand-in doesn't implement application and gateway load balancers; allowed: network",
            )
        ]
    return [] if not (name := inputs.get("name")) else _name_rules("name", name)


def _name_rules(path: str, name: Any) -> list[tuple[str, str]]:
    if not isinstance(name, str):
        return []
    if not all(character.isascii() and (character.isalnum() or character == "-") for character in name):
        return [(path, f'only alphanumeric characters and hyphens allowed in "{path}": {name!r}')]
    if name.startswith(("-", "internal-")) or name.endswith("-"):
        return [(path, f'"{path}" cannot begin with a hyphen or "internal-", nor end with a hyphen: {name!r}')]
    return []


LOAD_BALANCER = Resource(  # load_balancer.go: ForceNew and customizeDiffLoadBalancerNLB
    type="aws:lb/loadBalancer:LoadBalancer",
    label="ELBv2 Load Balancer",
    service="elbv2",
    properties={
        "name": Property(reads="LoadBalancerName", replaces=True, computed=True, longest=_LONGEST_NAME),
        "namePrefix": Property(sends=NOT_SENT, reads=NOT_SENT, replaces=True, longest=6),
        "loadBalancerType": Property(
            sends="Type", default="application", replaces=True, allowed=("application", "network", "gateway")
        ),
        "internal": Property(
            sends="Scheme",
            form=Renamed({True: "internal", False: "internet-facing"}),
            replaces=True,
            computed=True,
        ),
        "ipAddressType": Property(computed=True),
        "securityGroups": Property(form=SetOf(), computed=True),
        "subnetMappings": Property(form=SetOf(_MAPPING, key="subnetId"), computed=True),
        "subnets": Property(form=SetOf(), computed=True),
        **{name: _attribute(key, form, **facts) for name, (key, form, facts) in _LB_ATTRIBUTES.items()},
    },
    create=(Call(operation="create_load_balancer", id="LoadBalancers[0].LoadBalancerArn"),),
    waits=Waiting(path="State.Code", until=("active",), fails=("failed",), reason="State.Reason"),
    updates=(
        Update(
            on=tuple(_LB_ATTRIBUTES),
            do=_set_attributes(
                "modify_load_balancer_attributes",
                "LoadBalancerArn",
                {name: key for name, (key, _form, _facts) in _LB_ATTRIBUTES.items()},
                {name: form for name, (_key, form, _facts) in _LB_ATTRIBUTES.items()},
            ),
            after_create=True,
        ),
        Update(on=("securityGroups",), do=_set_security_groups),
        Update(on=("subnetMappings", "subnets"), do=_set_subnets),
        Update(
            on=("ipAddressType",),
            do=Call(
                operation="set_ip_address_type", parameters={"LoadBalancerArn": "{id}"}, sends=("ipAddressType",)
            ),
        ),
    ),
    reads=(
        Look(
            operation="describe_load_balancers", parameters={"LoadBalancerArns": ["{id}"]}, result="LoadBalancers[0]"
        ),
        Look(
            operation="describe_load_balancer_attributes",
            parameters={"LoadBalancerArn": "{id}"},
            result="Attributes",
            into="Attributes",
        ),
        _TAGS,
    ),
    describe=_described_balancer,
    delete=(Call(operation="delete_load_balancer", parameters={"LoadBalancerArn": "{id}"}),),
    computed={
        "arn": "LoadBalancerArn",
        "arnSuffix": "Suffix",
        "dnsName": "DNSName",
        "zoneId": "CanonicalHostedZoneId",
        "vpcId": "VpcId",
    },
    tags=tagging.ELB,
    name=Name(longest=_LONGEST_NAME),
    gone=("LoadBalancerNotFound",),
    conflicts=(("name", "namePrefix"),),
    one_of=(("subnetMappings", "subnets"),),
    checks=(_balancer_rules,),
    replaced_by=_replaced_balancer,
    unimplemented=(
        "accessLogs", "clientKeepAlive", "connectionLogs", "customerOwnedIpv4Pool", "desyncMitigationMode",
        "dropInvalidHeaderFields", "enableHttp2", "enablePrefixForIpv6SourceNat",
        "enableTlsVersionAndCipherSuiteHeaders", "enableWafFailOpen", "enableXffClientPort",
        "enforceSecurityGroupInboundRulesOnPrivateLinkTraffic", "healthCheckLogs", "idleTimeout", "ipamPools",
        "minimumLoadBalancerCapacity", "preserveHostHeader", "secondaryIpsAutoAssignedPerSubnet",
        "xffHeaderProcessingMode",
    ),
)  # fmt: skip

_ACTION = nested(
    "type targetGroupArn",
    order=Part(computed=True),
)


def _modify_listener(work: Work) -> None:
    inputs = work.inputs
    parameters = {
        "Port": inputs.get("port"),
        "Protocol": inputs.get("protocol"),
        "DefaultActions": ListOf(_ACTION).send(inputs["defaultActions"]),
        "SslPolicy": inputs.get("sslPolicy"),
    }
    work.call(
        "modify_listener",
        ListenerArn=work.id,
        **{name: value for name, value in parameters.items() if value is not None},
    )


LISTENER = Resource(  # listener.go
    type="aws:lb/listener:Listener",
    label="ELBv2 Listener",
    service="elbv2",
    properties={
        "loadBalancerArn": Property(replaces=True),
        "protocol": Property(form=Caseless(), computed=True),
        "port": Property(between=(1, 65535)),
        "defaultActions": Property(form=ListOf(_ACTION)),
        "sslPolicy": Property(computed=True),
    },
    create=(Call(operation="create_listener", id="Listeners[0].ListenerArn"),),
    updates=(Update(on=("protocol", "port", "defaultActions", "sslPolicy"), do=_modify_listener),),
    reads=(
        Look(operation="describe_listeners", parameters={"ListenerArns": ["{id}"]}, result="Listeners[0]"),
        _TAGS,
    ),
    delete=(Call(operation="delete_listener", parameters={"ListenerArn": "{id}"}),),
    computed={"arn": "ListenerArn"},
    tags=tagging.ELB,
    gone=("ListenerNotFound", "LoadBalancerNotFound"),
    unimplemented=(
        "alpnPolicy", "certificateArn", "mutualAuthentication", "tcpIdleTimeoutSeconds",
        *(
            f"routingHttpRequestXAmzn{name}HeaderName"
            for name in (
                "MtlsClientcert", "MtlsClientcertIssuer", "MtlsClientcertLeaf", "MtlsClientcertSerialNumber",
                "MtlsClientcertSubject", "MtlsClientcertValidity", "TlsCipherSuite", "TlsVersion",
            )
        ),
        *(
            f"routingHttpResponse{name}HeaderValue"
            for name in (
                "AccessControlAllowCredentials", "AccessControlAllowHeaders", "AccessControlAllowMethods",
                "AccessControlAllowOrigin", "AccessControlExposeHeaders", "AccessControlMaxAge",
                "ContentSecurityPolicy", "StrictTransportSecurity", "XContentTypeOptions", "XFrameOptions",
            )
        ),
        "routingHttpResponseServerEnabled",
    ),
)  # fmt: skip

_TARGET_ATTRIBUTES: dict[str, tuple[str, ValueForm, dict[str, Any]]] = {
    "deregistrationDelay": (
        "deregistration_delay.timeout_seconds",
        NumberText(),
        {"default": 300, "between": (0, 3600)},
    ),
    "connectionTermination": (
        "deregistration_delay.connection_termination.enabled",
        FlagText(),
        {"computed": True},
    ),
    "preserveClientIp": ("preserve_client_ip.enabled", PLAIN, {"computed": True}),
    "proxyProtocolV2": ("proxy_protocol_v2.enabled", FlagText(), {"default": False}),
    "loadBalancingCrossZoneEnabled": ("load_balancing.cross_zone.enabled", PLAIN, {"computed": True}),
}


class _Matcher(ValueForm):
    """The success codes: a text for Pulumi, an object for AWS."""

    def send(self, value: Any) -> Any:
        return {"HttpCode": value}

    def receive(self, value: Any) -> Any:
        return (value or {}).get("HttpCode")


_HEALTH_CHECK = nested(
    enabled=Part("HealthCheckEnabled", default=True),
    protocol=Part("HealthCheckProtocol", form=Caseless(), default="HTTP"),
    port=Part("HealthCheckPort", default="traffic-port"),
    path=Part("HealthCheckPath", computed=True),
    interval=Part("HealthCheckIntervalSeconds", default=30),
    timeout=Part("HealthCheckTimeoutSeconds", computed=True),
    healthyThreshold=Part("HealthyThresholdCount", default=3),
    unhealthyThreshold=Part("UnhealthyThresholdCount", default=3),
    matcher=Part("Matcher", form=_Matcher(), computed=True),
)

_RANGES = {"healthyThreshold": (2, 10), "unhealthyThreshold": (2, 10), "interval": (5, 300), "timeout": (2, 120)}


def _target_group_rules(inputs: Mapping[str, Any]) -> list[tuple[str, str]]:
    check = inputs.get("healthCheck")
    found: list[tuple[str, str]] = []
    if isinstance(check, dict):
        for name, (smallest, largest) in _RANGES.items():
            value = check.get(name)
            if isinstance(value, int) and not smallest <= value <= largest:
                path = f"healthCheck.{name}"
                found.append((path, f"expected {path} to be in the range ({smallest} - {largest}), got {value}"))
        if check.get("protocol") == "TCP":
            found += [
                (f"healthCheck.{name}", f'"healthCheck.{name}" cannot be specified when its protocol is "TCP"')
                for name in ("path", "matcher")
                if check.get(name)
            ]
    if inputs.get("targetType") != "lambda":
        found += [
            (name, f'Attribute "{name}" must be specified unless "targetType" is "lambda"')
            for name in ("port", "protocol", "vpcId")
            if inputs.get(name) is None
        ]
    return found + (_name_rules("name", inputs["name"]) if inputs.get("name") else [])


_ENDS_CONNECTIONS = "target_health_state.unhealthy.connection_termination.enabled"
_DRAINING_SECONDS = "target_health_state.unhealthy.draining_interval_seconds"
_HEALTH_STATE = nested(
    enableUnhealthyConnectionTermination=Part(_ENDS_CONNECTIONS, form=FlagText()),
    unhealthyDrainingInterval=Part(_DRAINING_SECONDS, form=NumberText(), default=0),
)


def _set_health_state(work: Work) -> None:
    for state in work.inputs.get("targetHealthStates") or []:
        attributes = _HEALTH_STATE.send(state)
        if attributes[_ENDS_CONNECTIONS] == "true":
            # There is nothing to drain.
            attributes.pop(_DRAINING_SECONDS, None)
        work.call(
            "modify_target_group_attributes",
            TargetGroupArn=work.id,
            Attributes=[{"Key": key, "Value": value} for key, value in attributes.items()],
        )


def _described_target_group(_work: Work, description: dict[str, Any]) -> dict[str, Any]:
    # What CloudWatch's dimension TargetGroup takes.
    return {**description, "Suffix": str(description["TargetGroupArn"]).split(":")[-1]}


TARGET_GROUP = Resource(  # target_group.go
    type="aws:lb/targetGroup:TargetGroup",
    label="ELBv2 Target Group",
    service="elbv2",
    properties={
        "name": Property(reads="TargetGroupName", replaces=True, computed=True, longest=_LONGEST_NAME),
        "namePrefix": Property(sends=NOT_SENT, reads=NOT_SENT, replaces=True, longest=6),
        "port": Property(replaces=True, between=(1, 65535)),
        "protocol": Property(
            form=Caseless(),
            replaces=True,
            allowed=("HTTP", "HTTPS", "TCP", "TLS", "UDP", "TCP_UDP", "GENEVE", "QUIC", "TCP_QUIC"),
        ),
        "vpcId": Property(replaces=True),
        "targetType": Property(default="instance", replaces=True, allowed=("instance", "ip", "lambda", "alb")),
        "ipAddressType": Property(replaces=True, computed=True),
        "healthCheck": Property(sends=SPREAD, reads="@", form=_HEALTH_CHECK, computed=True),
        "targetHealthStates": Property(
            sends=NOT_SENT,
            reads="[{"
            + ", ".join(
                f"\"{key}\": Attributes[?Key=='{key}'].Value | [0]" for key in (_ENDS_CONNECTIONS, _DRAINING_SECONDS)
            )
            + "}]",
            form=ListOf(_HEALTH_STATE),
            computed=True,
        ),
        **{name: _attribute(key, form, **facts) for name, (key, form, facts) in _TARGET_ATTRIBUTES.items()},
    },
    create=(Call(operation="create_target_group", id="TargetGroups[0].TargetGroupArn"),),
    updates=(
        Update(
            on=("healthCheck",),
            do=Call(
                operation="modify_target_group", parameters={"TargetGroupArn": "{id}"}, sends=("healthCheck",)
            ),
        ),
        Update(
            on=tuple(_TARGET_ATTRIBUTES),
            do=_set_attributes(
                "modify_target_group_attributes",
                "TargetGroupArn",
                {name: key for name, (key, _form, _facts) in _TARGET_ATTRIBUTES.items()},
                {name: form for name, (_key, form, _facts) in _TARGET_ATTRIBUTES.items()},
            ),
            after_create=True,
        ),
        Update(on=("targetHealthStates",), do=_set_health_state, after_create=True),
    ),
    reads=(
        Look(
            operation="describe_target_groups", parameters={"TargetGroupArns": ["{id}"]}, result="TargetGroups[0]"
        ),
        Look(
            operation="describe_target_group_attributes",
            parameters={"TargetGroupArn": "{id}"},
            result="Attributes",
            into="Attributes",
        ),
        _TAGS,
    ),
    describe=_described_target_group,
    delete=(
        Call(
            operation="delete_target_group",
            parameters={"TargetGroupArn": "{id}"},
            # A deleted listener lets go of its group a moment later.
            retries=("ResourceInUse",),
            patience_seconds=120,
        ),
    ),
    computed={
        "arn": "TargetGroupArn",
        "arnSuffix": "Suffix",
        "loadBalancerArns": "LoadBalancerArns",
    },
    tags=tagging.ELB,
    name=Name(longest=_LONGEST_NAME),
    gone=("TargetGroupNotFound",),
    conflicts=(("name", "namePrefix"),),
    checks=(_target_group_rules,),
    unimplemented=(
        "lambdaMultiValueHeadersEnabled", "loadBalancingAlgorithmType", "loadBalancingAnomalyMitigation",
        "protocolVersion", "slowStart", "stickiness", "targetControlPort", "targetFailovers", "targetGroupHealth",
    ),
)  # fmt: skip

ROWS = (LOAD_BALANCER, LISTENER, TARGET_GROUP)
