"""Groups whose members live: spread over zones, in service after a while, replaced when they fail."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.lab.emulator.conftest import RunningEmulator
from tests.lab.emulator.service import Service

pytestmark = pytest.mark.usefixtures("stopped_clock")


@pytest.fixture
def service(emulator: RunningEmulator) -> Service:
    return Service.made(emulator, size=3)


def test_a_group_is_refused_in_a_zone_that_does_not_offer_its_instance_type(service: Service) -> None:
    group, ec2 = service.group(), service.ec2
    data = {"ImageId": service.image, "InstanceType": "g5.xlarge"}
    template = ec2.create_launch_template(LaunchTemplateName="graphics", LaunchTemplateData=data)["LaunchTemplate"]
    subnets = ec2.describe_subnets(SubnetIds=group["VPCZoneIdentifier"].split(","))["Subnets"]
    by_zone = {subnet["AvailabilityZone"]: subnet["SubnetId"] for subnet in subnets}

    def make(*zones: str) -> None:
        service.autoscaling.create_auto_scaling_group(
            AutoScalingGroupName="other", MinSize=0, MaxSize=1,
            VPCZoneIdentifier=",".join(by_zone[zone] for zone in zones),
            LaunchTemplate={"LaunchTemplateId": template["LaunchTemplateId"], "Version": "1"},
        )  # fmt: skip

    with pytest.raises(
        ClientError, match=r"\(g5.xlarge\) is not supported in .* \(eu-west-2c\).*eu-west-2a, eu-west-2b"
    ):
        make("eu-west-2a", "eu-west-2c")
    make("eu-west-2a", "eu-west-2b")


def test_members_are_spread_over_the_zones(service: Service) -> None:
    service.resize(minimum=6, maximum=6)
    assert service.by_zone() == {"eu-west-2a": 2, "eu-west-2b": 2, "eu-west-2c": 2}


def test_a_member_boots_then_is_checked_then_serves(service: Service) -> None:
    assert service.lifecycle() == ["Pending"] * 3
    assert service.health() == []
    service.emulator.advance(30)
    assert service.lifecycle() == ["InService"] * 3
    assert service.health() == ["initial"] * 3
    service.emulator.advance(40)
    assert service.health() == ["healthy"] * 3


def test_scaling_in_leaves_zones_balanced_and_targets_deregistered(service: Service) -> None:
    service.resize(minimum=6, maximum=6)
    service.settled()
    service.resize(minimum=3, maximum=3)
    assert service.by_zone() == {"eu-west-2a": 1, "eu-west-2b": 1, "eu-west-2c": 1}
    assert sorted(service.health()) == ["draining"] * 3 + ["healthy"] * 3


def test_desired_follows_the_bounds_and_is_refused_outside_them(service: Service) -> None:
    service.resize(minimum=4, maximum=6)
    assert service.group()["DesiredCapacity"] == 4
    with pytest.raises(ClientError, match="is above max value 6"):
        service.autoscaling.set_desired_capacity(AutoScalingGroupName="service", DesiredCapacity=7)


def test_a_member_that_somebody_terminated_is_replaced_and_registered(service: Service) -> None:
    service.settled()
    lost = service.ids()[0]
    service.ec2.terminate_instances(InstanceIds=[lost])
    service.settled()
    assert lost not in service.ids()
    assert service.health().count("healthy") == 3


def test_a_member_that_fails_its_check_is_replaced_after_the_grace_period(service: Service) -> None:
    service.settled()
    before = service.ids()
    service.make_unhealthy(service.image)
    service.emulator.advance(30)
    new = service.ids()
    assert not set(new) & set(before)
    # The next ones have their grace period, 60 seconds after a start of 30.
    service.emulator.advance(60)
    assert service.ids() == new
    service.emulator.advance(60)
    assert not set(service.ids()) & set(before)
    causes = [one["Cause"] for one in service.activities() if one["Description"].startswith("Terminating")]
    assert all("ELB system health check failure" in cause for cause in causes)


def test_years_of_failing_on_purpose_are_one_look(service: Service) -> None:
    service.settled()
    before = service.ids()
    service.make_unhealthy(service.image)
    service.emulator.advance(10 * 365 * 86_400)
    assert len(service.ids()) == 3
    assert not set(before) & set(service.ids())


def test_instances_and_volumes_are_what_the_template_says(service: Service) -> None:
    (instance, *_) = service.instances()
    tags = {tag["Key"]: tag["Value"] for tag in instance["Tags"]}
    assert tags["Owner"] == "test"
    assert tags["aws:autoscaling:groupName"] == "service"
    assert instance["MetadataOptions"]["HttpTokens"] == "required"
    assert "PublicIpAddress" not in instance
    assert [one["GroupId"] for one in instance["SecurityGroups"]] == [service.network.security_group_id]
    volume_id = instance["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    (volume,) = service.ec2.describe_volumes(VolumeIds=[volume_id])["Volumes"]
    assert volume["Encrypted"]
    assert {"Key": "Owner", "Value": "test"} in volume["Tags"]


def test_a_group_with_instances_goes_only_by_force(service: Service) -> None:
    with pytest.raises(ClientError, match="ResourceInUse"):
        service.autoscaling.delete_auto_scaling_group(AutoScalingGroupName="service")
    service.autoscaling.put_scheduled_update_group_action(
        AutoScalingGroupName="service", ScheduledActionName="start", Recurrence="0 8 * * *", DesiredCapacity=2
    )
    service.autoscaling.put_scaling_policy(
        AutoScalingGroupName="service", PolicyName="cpu", PolicyType="TargetTrackingScaling",
        TargetTrackingConfiguration={
            "PredefinedMetricSpecification": {"PredefinedMetricType": "ASGAverageCPUUtilization"}, "TargetValue": 50,
        },
    )  # fmt: skip
    service.autoscaling.delete_auto_scaling_group(AutoScalingGroupName="service", ForceDelete=True)
    assert service.autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"] == []
    assert service.autoscaling.describe_policies()["ScalingPolicies"] == []
    assert service.autoscaling.describe_scheduled_actions()["ScheduledUpdateGroupActions"] == []
    states = {
        one["State"]["Name"] for found in service.ec2.describe_instances()["Reservations"] for one in found["Instances"]
    }
    assert states <= {"terminated", "shutting-down"}


def test_a_name_is_given_once(service: Service) -> None:
    with pytest.raises(ClientError, match="AlreadyExists"):
        service.create_group(size=1)


def test_parameters_come_back_as_sent(service: Service) -> None:
    assert service.group()["DefaultInstanceWarmup"] == 120
    service.autoscaling.update_auto_scaling_group(AutoScalingGroupName="service", DefaultInstanceWarmup=60)
    assert service.group()["DefaultInstanceWarmup"] == 60
