"""One of everything: a resource of each type, how it is updated, and how it is replaced.

`spare` ones live in a VPC of their own, which is replaced: so is everything in it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Inputs = Mapping[str, Any]

TAGS = {"Owner": "team", "Name": "one"}
ACCOUNT = {"AWS": "123456789012"}
OBJECTS = "arn:aws:s3:::${data.id}/*"
OTHER_TAGS = {"Owner": "others", "Cost": "1"}


def policy(action: str = "s3:GetObject", principal: Any = "*", resource: Any = "*") -> str:
    """A policy document; a resource's own has no `Resource`."""
    statement: dict[str, Any] = {"Effect": "Allow", "Principal": principal, "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [{k: v for k, v in statement.items() if v is not None}]})


def trust(service: str) -> str:
    return policy("sts:AssumeRole", {"Service": service}, None)


def permissions(action: str) -> str:
    return policy(action, None, "*")


@dataclass(frozen=True)
class Case:
    """A resource. `update` and `replace` are the inputs that differ afterwards; None: left out from then on.

    `moves`: replaced or changed because what it refers to is replaced.
    """

    type: str
    name: str
    inputs: Inputs
    update: Inputs = field(default_factory=dict)
    replace: Inputs = field(default_factory=dict)
    moves: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    def declared(self, *further: str) -> dict[str, Any]:
        """Return the resource for the program, with these changes (`update`, `replace`) made."""
        inputs = {**self.inputs}
        for which in further:
            inputs |= getattr(self, which)
        return {
            "type": self.type,
            "name": self.name,
            "inputs": {key: value for key, value in inputs.items() if value is not None},
            "options": self.options,
        }


def _rule(direction: str, group: str) -> dict[str, Any]:
    return {
        "securityGroupId": f"${{{group}.id}}",
        "ipProtocol": "tcp",
        "fromPort": 443,
        "toPort": 443,
        "cidrIpv4": "192.0.2.0/24",
        "description": direction,
        "tags": TAGS,
    }


CASES = [
    Case(
        "aws:ec2/vpc:Vpc", "vpc", {"cidrBlock": "10.0.0.0/16", "enableDnsHostnames": True, "tags": TAGS},
        update={"enableDnsHostnames": False, "tags": OTHER_TAGS},
    ),
    Case(
        "aws:ec2/vpc:Vpc", "spare-vpc", {"cidrBlock": "10.1.0.0/16"}, replace={"cidrBlock": "10.2.0.0/16"}
    ),
    Case(
        "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup", "spare-default",
        {"vpcId": "${spare-vpc.id}", "tags": TAGS}, update={"tags": OTHER_TAGS}, moves="replace",
    ),
    Case(
        "aws:ec2/internetGateway:InternetGateway", "gateway", {"vpcId": "${vpc.id}", "tags": TAGS},
        update={"tags": OTHER_TAGS},
    ),
    Case("aws:ec2/internetGateway:InternetGateway", "spare-gateway", {"vpcId": "${spare-vpc.id}"}, moves="update"),
    *(
        Case(
            "aws:ec2/subnet:Subnet", f"subnet-{zone}",
            {"vpcId": "${vpc.id}", "cidrBlock": f"10.0.{number}.0/24", "availabilityZone": f"eu-west-2{zone}"},
            update={"mapPublicIpOnLaunch": True, "tags": TAGS} if zone == "a" else {},
        )
        for number, zone in enumerate("ab")
    ),
    Case(
        "aws:ec2/subnet:Subnet", "spare-subnet", {"vpcId": "${spare-vpc.id}", "cidrBlock": "10.1.0.0/24"},
        replace={"cidrBlock": "10.2.0.0/24"},
    ),
    Case("aws:ec2/routeTable:RouteTable", "routes", {"vpcId": "${vpc.id}", "tags": TAGS}, update={"tags": OTHER_TAGS}),
    Case("aws:ec2/routeTable:RouteTable", "other-routes", {"vpcId": "${vpc.id}"}),
    Case("aws:ec2/routeTable:RouteTable", "spare-routes", {"vpcId": "${spare-vpc.id}"}, moves="replace"),
    Case(
        "aws:ec2/route:Route", "route",
        {"routeTableId": "${routes.id}", "destinationCidrBlock": "0.0.0.0/0", "gatewayId": "${gateway.id}"},
        replace={"destinationCidrBlock": "203.0.113.0/24"},
    ),
    Case(
        "aws:ec2/routeTableAssociation:RouteTableAssociation", "association",
        {"routeTableId": "${routes.id}", "subnetId": "${subnet-a.id}"}, update={"routeTableId": "${other-routes.id}"},
        replace={"subnetId": "${subnet-b.id}"},
    ),
    Case(
        "aws:ec2/vpcEndpoint:VpcEndpoint", "s3",
        {
            "vpcId": "${vpc.id}", "serviceName": "com.amazonaws.eu-west-2.s3", "policy": policy(),
            "routeTableIds": ["${routes.id}"], "tags": TAGS,
        },
        update={"policy": policy("s3:PutObject")},
        replace={"serviceName": "com.amazonaws.eu-west-2.dynamodb"},
    ),
    Case("aws:ec2/securityGroup:SecurityGroup", "group", {"vpcId": "${vpc.id}"}, update={"tags": TAGS}),
    Case("aws:ec2/securityGroup:SecurityGroup", "spare-group", {"vpcId": "${spare-vpc.id}"}, moves="replace"),
    Case(
        "aws:ec2/vpcEndpoint:VpcEndpoint", "secrets",
        {
            "vpcId": "${vpc.id}", "serviceName": "com.amazonaws.eu-west-2.secretsmanager",
            "vpcEndpointType": "Interface", "subnetIds": ["${subnet-a.id}"], "securityGroupIds": ["${group.id}"],
        },
        update={"subnetIds": ["${subnet-b.id}", "${subnet-a.id}"]},
    ),
    Case(
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", "in", _rule("in", "group"),
        update={"cidrIpv4": "198.51.100.0/24", "description": "others", "tags": OTHER_TAGS},
        replace={"cidrIpv4": None, "referencedSecurityGroupId": "${group.id}"},
    ),
    Case(
        "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule", "out", _rule("out", "spare-group"),
        update={"fromPort": 8443, "toPort": 8443}, moves="replace",
    ),
    Case(
        "aws:ec2/managedPrefixList:ManagedPrefixList", "clients",
        {
            "addressFamily": "IPv4", "maxEntries": 5, "tags": TAGS,
            "entries": [{"cidr": "192.0.2.0/24", "description": "one"}, {"cidr": "198.51.100.0/24"}],
        },
        update={"maxEntries": 8, "entries": [{"cidr": "203.0.113.0/24"}, {"cidr": "192.0.2.0/24", "description": "1"}]},
        replace={"addressFamily": "IPv6", "entries": [{"cidr": "2001:db8::/32"}]},
    ),
    Case(
        "aws:cloudwatch/logGroup:LogGroup", "logs", {"retentionInDays": 30, "tags": TAGS},
        update={"retentionInDays": 90, "tags": OTHER_TAGS}, replace={"name": "another-name"},
    ),
    Case(
        "aws:iam/role:Role", "role", {"assumeRolePolicy": trust("ec2.amazonaws.com"), "tags": TAGS},
        update={"assumeRolePolicy": trust("vpc-flow-logs.amazonaws.com"), "description": "d", "tags": OTHER_TAGS},
        replace={"path": "/other/"},
    ),
    Case(
        "aws:iam/rolePolicy:RolePolicy", "role-policy",
        {"role": "${role.id}", "policy": permissions("logs:PutLogEvents")},
        update={"policy": permissions("logs:CreateLogStream")}, moves="replace",
    ),
    Case(
        "aws:iam/instanceProfile:InstanceProfile", "profile", {"role": "${role.name}", "tags": TAGS},
        update={"tags": OTHER_TAGS}, replace={"path": "/other/"},
    ),
    Case(
        "aws:ec2/flowLog:FlowLog", "flow",
        {
            "vpcId": "${vpc.id}", "trafficType": "ALL", "logDestination": "${logs.arn}", "iamRoleArn": "${role.arn}",
            "maxAggregationInterval": 60,
        },
        update={"tags": TAGS}, replace={"trafficType": "REJECT"},
    ),
    Case("aws:ec2/eip:Eip", "address-a", {"domain": "vpc", "tags": TAGS}, update={"tags": OTHER_TAGS}),
    Case("aws:ec2/eip:Eip", "address-b", {}),
    Case(
        "aws:lb/loadBalancer:LoadBalancer", "balancer",
        {
            "loadBalancerType": "network", "securityGroups": ["${group.id}"], "tags": TAGS,
            "subnetMappings": [{"subnetId": "${subnet-a.id}", "allocationId": "${address-a.allocationId}"}],
        },
        update={
            "enableCrossZoneLoadBalancing": True,
            "subnetMappings": [
                {"subnetId": "${subnet-b.id}", "allocationId": "${address-b.allocationId}"},
                {"subnetId": "${subnet-a.id}", "allocationId": "${address-a.allocationId}"},
            ],
        },
        options={"dependsOn": ["gateway"]},
    ),
    Case(
        "aws:lb/loadBalancer:LoadBalancer", "inner",
        {"loadBalancerType": "network", "internal": True, "subnets": ["${subnet-a.id}", "${subnet-b.id}"]},
        replace={"subnets": ["${subnet-a.id}"]},
    ),
    Case(
        "aws:lb/targetGroup:TargetGroup", "targets",
        {
            "vpcId": "${vpc.id}", "protocol": "TCP", "port": 443, "tags": TAGS, "preserveClientIp": "true",
            "targetHealthStates": [{"enableUnhealthyConnectionTermination": False}],
            "healthCheck": {"protocol": "HTTPS", "path": "/a", "interval": 10, "timeout": 6, "healthyThreshold": 2},
        },
        update={
            "deregistrationDelay": 60, "tags": OTHER_TAGS,
            "targetHealthStates": [
                {"enableUnhealthyConnectionTermination": False, "unhealthyDrainingInterval": 30}
            ],
            "healthCheck": {"protocol": "HTTPS", "path": "/b", "interval": 30, "timeout": 6, "healthyThreshold": 3},
        },
    ),
    Case(
        "aws:lb/targetGroup:TargetGroup", "inner-targets", {"vpcId": "${vpc.id}", "protocol": "TCP", "port": 443},
        replace={"port": 8443},
    ),
    Case(
        "aws:lb/listener:Listener", "listener",
        {
            "loadBalancerArn": "${balancer.arn}", "protocol": "TCP", "port": 443, "tags": TAGS,
            "defaultActions": [{"type": "forward", "targetGroupArn": "${targets.arn}"}],
        },
        update={"tags": OTHER_TAGS},
    ),
    Case(
        "aws:lb/listener:Listener", "inner-listener",
        {
            "loadBalancerArn": "${inner.arn}", "protocol": "TCP", "port": 443,
            "defaultActions": [{"type": "forward", "targetGroupArn": "${inner-targets.arn}"}],
        },
        update={"port": 444}, moves="replace",
    ),
    Case(
        "aws:ec2/launchTemplate:LaunchTemplate", "template",
        {
            "imageId": "IMAGE", "instanceType": "t3.micro", "updateDefaultVersion": True, "tags": TAGS,
            "metadataOptions": {"httpTokens": "required"}, "userData": "aGVsbG8=",
            "networkInterfaces": [{"associatePublicIpAddress": "false", "securityGroups": ["${group.id}"]}],
            "blockDeviceMappings": [{"deviceName": "/dev/xvda", "ebs": {"encrypted": "true", "volumeSize": 8}}],
            "tagSpecifications": [{"resourceType": "instance", "tags": TAGS}],
        },
        update={"instanceType": "t3.small"}, replace={"name": "another-name"},
    ),
    Case(
        "aws:autoscaling/group:Group", "scaling",
        {
            "vpcZoneIdentifiers": ["${subnet-b.id}", "${subnet-a.id}"], "minSize": 1, "maxSize": 2,
            "desiredCapacity": 1, "healthCheckType": "ELB", "targetGroupArns": ["${targets.arn}"],
            "launchTemplate": {"id": "${template.id}", "version": "${template.latestVersion}"},
            "enabledMetrics": ["GroupMaxSize"], "tags": [{"key": "Owner", "value": "a", "propagateAtLaunch": False}],
        },
        update={
            "maxSize": 3, "terminationPolicies": ["OldestInstance"],
            "tags": [{"key": "Cost", "value": "b", "propagateAtLaunch": True}],
        },
        replace={"name": "another-name"},
        options={"ignoreChanges": ["launchTemplate", "desiredCapacity"], "dependsOn": ["listener"]},
    ),
    Case(
        "aws:autoscaling/policy:Policy", "scaling-policy",
        {
            "autoscalingGroupName": "${scaling.name}", "policyType": "TargetTrackingScaling",
            "targetTrackingConfiguration": {
                "predefinedMetricSpecification": {"predefinedMetricType": "ASGAverageCPUUtilization"},
                "targetValue": 50,
            },
        },
        update={
            "targetTrackingConfiguration": {
                "predefinedMetricSpecification": {"predefinedMetricType": "ASGAverageCPUUtilization"},
                "targetValue": 62.5,
            }
        },
        moves="replace",
    ),
    Case(
        "aws:autoscaling/schedule:Schedule", "schedule",
        {
            "scheduledActionName": "evening", "autoscalingGroupName": "${scaling.name}", "recurrence": "0 20 * * *",
            "timeZone": "Europe/London", "desiredCapacity": 0, "minSize": -1, "maxSize": -1,
        },
        update={"recurrence": "0 21 * * *"}, moves="replace",
    ),
    Case(
        "aws:route53/record:Record", "record",
        {
            "zoneId": "ZONE", "name": "dos-NFT.example.test", "type": "A", "allowOverwrite": False,
            "aliases": [
                {"name": "${balancer.dnsName}", "zoneId": "${balancer.zoneId}", "evaluateTargetHealth": True}
            ],
        },
        update={
            "aliases": [
                {"name": "${balancer.dnsName}", "zoneId": "${balancer.zoneId}", "evaluateTargetHealth": False}
            ]
        },
        replace={"name": "dos-other.example.test"},
    ),
    Case(
        "aws:route53/record:Record", "text",
        {"zoneId": "ZONE", "name": "text.example.test.", "type": "TXT", "ttl": 60, "records": ["one", "two"]},
        update={"ttl": 300, "records": ["two", "three"]},
    ),
    Case(
        "aws:s3/bucket:Bucket", "data", {"forceDestroy": True, "tags": TAGS}, update={"tags": OTHER_TAGS},
        replace={"bucket": "another-name"},
    ),
    *(
        Case(
            f"aws:s3/{kind[0].lower()}{kind[1:]}:{kind}", kind, {"bucket": "${data.id}", **inputs},
            update=update, moves="replace",
        )
        for kind, inputs, update in (
            (
                "BucketVersioning",
                {"versioningConfiguration": {"status": "Enabled"}},
                {"versioningConfiguration": {"status": "Suspended"}},
            ),
            (
                "BucketServerSideEncryptionConfiguration",
                {"rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}]},
                {
                    "rules": [
                        {"applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms"}, "bucketKeyEnabled": True}
                    ]
                },
            ),
            ("BucketPublicAccessBlock", {"blockPublicAcls": True}, {"ignorePublicAcls": True}),
            (
                "BucketOwnershipControls",
                {"rule": {"objectOwnership": "BucketOwnerEnforced"}},
                {"rule": {"objectOwnership": "ObjectWriter"}},
            ),
            (
                "BucketLifecycleConfiguration",
                {
                    "rules": [
                        {
                            "id": "old", "status": "Enabled", "filter": {"prefix": ""},
                            "noncurrentVersionExpiration": {"noncurrentDays": 30},
                            "abortIncompleteMultipartUpload": {"daysAfterInitiation": 7},
                        }
                    ]
                },
                {
                    "rules": [
                        {
                            "id": "old", "status": "Enabled", "filter": {"prefix": ""},
                            "noncurrentVersionExpiration": {"noncurrentDays": 90},
                            "abortIncompleteMultipartUpload": {"daysAfterInitiation": 7},
                        }
                    ]
                },
            ),
        )
    ),
    Case(
        "aws:s3/bucketPolicy:BucketPolicy", "BucketPolicy",
        {"bucket": "${data.id}", "policy": policy("s3:GetObject", ACCOUNT, OBJECTS)},
        update={"policy": policy("s3:PutObject", ACCOUNT, OBJECTS)}, moves="replace",
        options={"dependsOn": ["BucketPublicAccessBlock"]},
    ),
    Case(
        "aws:sns/topic:Topic", "topic", {"tags": TAGS}, update={"displayName": "Alarms", "tags": OTHER_TAGS},
        replace={"name": "another-name"},
    ),
    Case(
        "aws:sns/topicPolicy:TopicPolicy", "topic-policy",
        {
            "arn": "${topic.arn}",
            "policy": policy("sns:Publish", {"Service": "cloudwatch.amazonaws.com"}, "${topic.arn}"),
        },
        update={"policy": policy("sns:Subscribe", ACCOUNT, "${topic.arn}")}, moves="replace",
    ),
    Case(
        "aws:sns/topicSubscription:TopicSubscription", "subscription",
        {"topic": "${topic.arn}", "protocol": "email", "endpoint": "team@example.test"},
        update={"filterPolicy": '{"kind": ["alarm"]}'}, moves="replace",
    ),
    Case(
        "aws:cloudwatch/metricAlarm:MetricAlarm", "alarm",
        {
            "namespace": "AWS/NetworkELB", "metricName": "UnHealthyHostCount", "statistic": "Maximum", "period": 60,
            "dimensions": {"LoadBalancer": "${balancer.arnSuffix}", "TargetGroup": "${targets.arnSuffix}"},
            "comparisonOperator": "GreaterThanOrEqualToThreshold", "threshold": 1, "evaluationPeriods": 3,
            "alarmActions": ["${topic.arn}"], "tags": TAGS,
        },
        update={"threshold": 2, "treatMissingData": "breaching", "tags": OTHER_TAGS}, replace={"name": "another-name"},
    ),
    Case(
        "aws:cloudwatch/compositeAlarm:CompositeAlarm", "composite",
        {"alarmName": "down", "alarmRule": "FALSE", "tags": TAGS},
        update={"alarmDescription": "down", "alarmRule": "TRUE", "tags": OTHER_TAGS}, replace={"alarmName": "away"},
    ),
    Case(
        "aws:cloudwatch/dashboard:Dashboard", "dashboard",
        {"dashboardName": "one", "dashboardBody": '{"widgets": []}'},
        update={"dashboardBody": '{"start": "-PT3H", "widgets": []}'}, replace={"dashboardName": "another-name"},
    ),
]  # fmt: skip
