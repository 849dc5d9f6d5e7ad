"""How many instances target tracking asks for, period by period."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab.emulator.target_tracking import PERIODS_TO_SCALE_IN, PERIODS_TO_SCALE_OUT, Fleet, Tracking


def fleet(count: int, load: float, *, warming: int = 0, minimum: int = 1, maximum: int = 12) -> Fleet:
    return Fleet(
        desired=count + warming, minimum=minimum, maximum=maximum, settled=count, warming=warming,
        sharing=count + warming, load=load,
    )  # fmt: skip


def asked(tracking: Tracking, seen: Fleet, periods: int) -> list[int]:
    return [tracking.period(seen) for _ in range(periods)]


def tracking(target: float = 50, *, scales_in: bool = True) -> Tracking:
    return Tracking(target_percent=target, scales_in=scales_in)


def test_three_periods_above_the_target_scale_out_in_proportion() -> None:
    # 2.4 instances' work on 3 is 80 %: 3 * 80 / 50 is 4.8.
    assert asked(tracking(), fleet(3, 2.4), PERIODS_TO_SCALE_OUT) == [3, 3, 5]


def test_fifteen_periods_far_below_it_scale_in_in_proportion_to_the_minimum_at_least() -> None:
    assert asked(tracking(), fleet(6, 1.2), PERIODS_TO_SCALE_IN) == [6] * 14 + [3]
    assert asked(tracking(), fleet(6, 0, minimum=3), PERIODS_TO_SCALE_IN)[-1] == 3


@pytest.mark.parametrize("load", [1.06, 1.49])
def test_between_seven_tenths_of_the_target_and_the_target_nothing_is_done(load: float) -> None:
    assert set(asked(tracking(), fleet(3, load), 60)) == {3}


def test_a_period_in_between_starts_the_count_again() -> None:
    policy = tracking()
    asked(policy, fleet(3, 2.4), 2)
    policy.period(fleet(3, 1.2))
    assert asked(policy, fleet(3, 2.4), 3) == [3, 3, 5]


def test_the_maximum_holds_however_much_is_asked_for() -> None:
    assert asked(tracking(), fleet(6, 100, maximum=8), 3)[-1] == 8


def test_what_warms_up_counts_as_there_already_and_blocks_scaling_in() -> None:
    # 4 instances' work on 3 + 3: 67 % of those measured, 3 * 67 / 50 is 4, and 6 are on their way.
    assert asked(tracking(), fleet(3, 4, warming=3), 3)[-1] == 6
    assert asked(tracking(), fleet(6, 0.5, warming=1), 60)[-1] == 7


def test_with_scale_in_off_it_only_adds() -> None:
    policy = tracking(scales_in=False)
    assert set(asked(policy, fleet(6, 0), 60)) == {6}
    assert asked(policy, fleet(3, 2.4), 3)[-1] == 5


def test_without_an_instance_nothing_is_measured_and_nothing_is_done() -> None:
    nobody = replace(fleet(0, 9), desired=0, minimum=0)
    assert set(asked(tracking(), nobody, 60)) == {0}
    assert tracking().is_at_rest(nobody)


@pytest.mark.parametrize(
    ("seen", "at_rest"),
    [
        (fleet(3, 2.4), False),
        (fleet(3, 1.2), True),
        (fleet(3, 0.3), False),
        (fleet(3, 0.3, minimum=3), True),
        (fleet(12, 12), True),
    ],
)
def test_it_is_at_rest_where_no_number_of_such_periods_changes_anything(seen: Fleet, at_rest: bool) -> None:
    assert tracking().is_at_rest(seen) is at_rest
    assert (set(asked(tracking(), seen, 60)) == {seen.desired}) is at_rest
