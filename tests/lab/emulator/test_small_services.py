"""Logs, Service Quotas, STS, Secrets Manager and the tagging API answer as AWS's do."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from lab.emulator import quotas
from tests.lab.emulator.conftest import RunningEmulator
from tests.lab.emulator.network import make_addresses, make_network

ACCOUNT = "123456789012"
GROUP_ARN = f"arn:aws:logs:eu-west-2:{ACCOUNT}:log-group:/eps-dos-api/nft"


@pytest.fixture
def logs(emulator: RunningEmulator) -> Any:
    client = emulator.client("logs")
    client.create_log_group(logGroupName="/eps-dos-api/nft", tags={"Environment": "nft"})
    return client


def test_a_log_group_keeps_logs_for_periods_that_there_are(logs: Any) -> None:
    logs.put_retention_policy(logGroupName="/eps-dos-api/nft", retentionInDays=365)
    group = logs.describe_log_groups(logGroupNamePrefix="/eps-dos-api/nft")["logGroups"][0]
    assert (group["retentionInDays"], group["logGroupArn"]) == (365, GROUP_ARN)
    with pytest.raises(ClientError, match=r"\(InvalidParameterException\).*retentionInDays"):
        logs.put_retention_policy(logGroupName="/eps-dos-api/nft", retentionInDays=31)


def test_the_tags_of_a_log_group_go_with_it(logs: Any) -> None:
    logs.tag_resource(resourceArn=GROUP_ARN, tags={"Owner": "x"})
    assert logs.list_tags_for_resource(resourceArn=GROUP_ARN)["tags"] == {"Environment": "nft", "Owner": "x"}
    logs.untag_resource(resourceArn=GROUP_ARN, tagKeys=["Owner"])
    logs.delete_log_group(logGroupName="/eps-dos-api/nft")
    with pytest.raises(ClientError, match=r"\(ResourceNotFoundException\)"):
        logs.list_tags_for_resource(resourceArn=GROUP_ARN)
    logs.create_log_group(logGroupName="/eps-dos-api/nft")
    assert logs.list_tags_for_resource(resourceArn=GROUP_ARN)["tags"] == {}


def test_the_tags_of_a_group_are_not_those_of_its_streams(logs: Any) -> None:
    with pytest.raises(ClientError, match=r"\(ResourceNotFoundException\)"):
        logs.list_tags_for_resource(resourceArn=f"{GROUP_ARN}:*")


def test_quotas_are_those_that_the_lab_applies(emulator: RunningEmulator) -> None:
    client = emulator.client("service-quotas")
    quotas.apply({quotas.ELASTIC_IPS: 5})
    asked = {"ServiceCode": "ec2", "QuotaCode": quotas.ELASTIC_IPS}
    assert client.get_service_quota(**asked)["Quota"]["Value"] == 5.0
    quotas.reset()
    assert client.get_service_quota(**asked)["Quota"]["Value"] == quotas.QUOTAS[quotas.ELASTIC_IPS].lab_default
    assert client.get_aws_default_service_quota(**asked)["Quota"]["Value"] == 5.0
    listed = client.list_service_quotas(ServiceCode="vpc")["Quotas"]
    assert {quota["QuotaCode"] for quota in listed} == {quotas.VPCS, quotas.RULES_PER_SECURITY_GROUP}


def test_a_quota_is_raised_on_request_and_never_lowered(emulator: RunningEmulator) -> None:
    client = emulator.client("service-quotas")
    asked = {"ServiceCode": "vpc", "QuotaCode": quotas.VPCS}
    had = client.get_service_quota(**asked)["Quota"]["Value"]
    assert (
        client.request_service_quota_increase(**asked, DesiredValue=had + 5)["RequestedQuota"]["Status"] == "APPROVED"
    )
    assert client.get_service_quota(**asked)["Quota"]["Value"] == had + 5
    with pytest.raises(ClientError, match=r"\(IllegalArgumentException\).*must be more"):
        client.request_service_quota_increase(**asked, DesiredValue=had)


@pytest.mark.parametrize(("service", "code"), [("ec2", "L-00000000"), ("vpc", quotas.ELASTIC_IPS), ("none", "L-1")])
def test_an_unknown_quota_is_an_error(emulator: RunningEmulator, service: str, code: str) -> None:
    with pytest.raises(ClientError, match=r"\(NoSuchResourceException\)"):
        emulator.client("service-quotas").get_service_quota(ServiceCode=service, QuotaCode=code)


def test_the_labs_keys_are_the_accounts_root(emulator: RunningEmulator) -> None:
    identity = emulator.client("sts").get_caller_identity()
    assert (identity["Account"], identity["Arn"]) == (ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root")


def test_a_secret_is_kept(emulator: RunningEmulator) -> None:
    secrets = emulator.client("secretsmanager")
    created = secrets.create_secret(
        Name="certificate", SecretString="pem", Tags=[{"Key": "Environment", "Value": "int"}]
    )
    assert secrets.get_secret_value(SecretId=created["ARN"])["SecretString"] == "pem"
    assert secrets.describe_secret(SecretId="certificate")["Tags"] == [{"Key": "Environment", "Value": "int"}]
    with pytest.raises(ClientError, match=r"\(ResourceNotFoundException\)"):
        secrets.describe_secret(SecretId="other")


def test_what_is_tagged_is_found_under_awss_arns(emulator: RunningEmulator) -> None:
    ec2, elbv2 = emulator.client("ec2"), emulator.client("elbv2")
    tags = [{"Key": "Environment", "Value": "nft"}]
    network = make_network(ec2)
    (allocation,) = make_addresses(ec2, 1)
    prefix_list = ec2.create_managed_prefix_list(PrefixListName="clients", MaxEntries=5, AddressFamily="IPv4")
    prefix_list_id = prefix_list["PrefixList"]["PrefixListId"]
    template_id = ec2.create_launch_template(
        LaunchTemplateName="service", LaunchTemplateData={"InstanceType": "c7g.large"}
    )["LaunchTemplate"]["LaunchTemplateId"]
    ec2.create_tags(Resources=[network.vpc_id, allocation, prefix_list_id, template_id], Tags=tags)
    balancer = elbv2.create_load_balancer(Name="entrance", Type="network", Subnets=list(network.subnet_ids), Tags=tags)
    balancer_arn = balancer["LoadBalancers"][0]["LoadBalancerArn"]
    group = elbv2.create_target_group(Name="service", Protocol="TCP", Port=443, VpcId=network.vpc_id, Tags=tags)
    group_arn = group["TargetGroups"][0]["TargetGroupArn"]
    listener_arn = elbv2.create_listener(
        LoadBalancerArn=balancer_arn,
        Protocol="TCP",
        Port=443,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": group_arn}],
        Tags=tags,
    )["Listeners"][0]["ListenerArn"]

    def found() -> set[str]:
        pages = emulator.client("resourcegroupstaggingapi").get_paginator("get_resources")
        filters = [{"Key": "Environment", "Values": ["nft"]}]
        return {
            mapping["ResourceARN"]
            for page in pages.paginate(TagFilters=filters)
            for mapping in page["ResourceTagMappingList"]
        }

    arn = f"arn:aws:ec2:eu-west-2:{ACCOUNT}:"
    assert found() == {
        f"{arn}vpc/{network.vpc_id}",
        f"{arn}elastic-ip/{allocation}",
        f"{arn}prefix-list/{prefix_list_id}",
        f"{arn}launch-template/{template_id}",
        balancer_arn,
        group_arn,
        listener_arn,
    }
    elbv2.delete_load_balancer(LoadBalancerArn=balancer_arn)
    ec2.release_address(AllocationId=allocation)
    assert not found() & {balancer_arn, listener_arn, f"{arn}elastic-ip/{allocation}"}
