"""What `status` says of instances and of the newest rollout."""

from datetime import UTC, datetime

import pytest

from ops.aws.compute import Instance, Member, ScalingGroup
from ops.status.running import in_service, newest_rollout

STARTED = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)


def instance(identifier: str, image: str) -> Instance:
    return Instance(
        id=identifier, image_id="ami-1", image_name=image,
        public_ip=None, tokens_required=True, tags={},
    )  # fmt: skip


def member(identifier: str, lifecycle: str = "InService") -> Member:
    return Member(id=identifier, zone="eu-west-2a", lifecycle=lifecycle, template_id="lt", template_version="1")


def group(*members: Member) -> ScalingGroup:
    return ScalingGroup(
        name="g", minimum=1, maximum=2, desired=1, template_id="lt",
        template_version="1", subnet_ids=(), target_group_arns=(), members=members, policies={}, schedules={}, tags={},
    )  # fmt: skip


def test_instances_in_service_are_counted_by_release_and_strangers_by_image() -> None:
    instances = [instance("i-1", "v1"), instance("i-2", "v1"), instance("i-3", "other"), instance("i-4", "v2")]
    groups = [group(member("i-1"), member("i-2"), member("i-3"), member("i-4", "Pending"))]
    assert in_service(groups, instances, {"v1": "1.4.0", "v2": "1.5.0"}) == {"1.4.0": 2, "other": 1}


@pytest.mark.parametrize(
    ("refreshes", "sentence"),
    [
        ([], ""),
        ([{"Status": "Successful"}, {"Status": "RollbackSuccessful"}], ""),
        (
            [{"Status": "InProgress", "PercentageComplete": 33, "StartTime": STARTED}],
            "rollout in progress since 2026-11-23 09:30 UTC: InProgress, 33 % of the instances replaced",
        ),
        (
            [{"Status": "RollbackSuccessful", "StartTime": STARTED, "StatusReason": "2 instances unhealthy."}],
            "the last rollout of 2026-11-23 09:30 UTC ended as RollbackSuccessful: 2 instances unhealthy",
        ),
        ([{"Status": "Cancelled"}], "the last rollout ended as Cancelled: AWS gave no reason"),
    ],
)
def test_the_newest_rollout_is_told_if_there_is_something_to_tell(
    refreshes: list[dict[str, object]], sentence: str
) -> None:
    assert newest_rollout(refreshes) == sentence
