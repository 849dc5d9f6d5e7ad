"""A mirror's counts of instances."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.capacity import MOST_CLIENTS, initial, room_for_clients, scaled
from infra.environment import Capacity

counts = st.integers(min_value=0, max_value=500)
factors = st.decimals(min_value="0.01", max_value="4", places=2)


def capacity(minimum: int, maximum: int) -> Capacity:
    return Capacity(minimum=minimum, maximum=maximum, target_cpu_percent=50)


def test_half_of_live_rounded_up_is_one_per_zone_at_least() -> None:
    assert scaled(capacity(4, 24), Decimal("0.5"), zone_count=3) == capacity(3, 12)
    assert scaled(capacity(7, 9), Decimal("0.5"), zone_count=3) == capacity(4, 5)


def test_decimals_are_exact_where_binary_floats_are_not() -> None:
    assert scaled(capacity(25, 25), Decimal("2.2"), zone_count=3).maximum == 55


@pytest.mark.parametrize("factor", ["0", "-1", "4.01"])
def test_a_factor_that_settings_would_refuse_is_the_callers_mistake(factor: str) -> None:
    with pytest.raises(ValueError, match="allowed: more than 0, at most 4"):
        scaled(capacity(1, 2), Decimal(factor), zone_count=3)


@given(counts, counts, factors, st.integers(min_value=1, max_value=6))
def test_every_zone_keeps_an_instance_and_nothing_is_rounded_away(
    one: int, other: int, factor: Decimal, zone_count: int
) -> None:
    live = capacity(min(one, other), max(one, other))
    mirror = scaled(live, factor, zone_count)
    assert zone_count <= mirror.minimum <= mirror.maximum
    for scaled_count, count in ((mirror.minimum, live.minimum), (mirror.maximum, live.maximum)):
        assert scaled_count >= count * factor
        assert scaled_count == zone_count or scaled_count - 1 < count * factor


@given(counts, factors, factors)
def test_a_larger_scale_is_never_fewer_instances(count: int, one: Decimal, other: Decimal) -> None:
    less, more = sorted((one, other))
    assert scaled(capacity(count, count), less, 3).maximum <= scaled(capacity(count, count), more, 3).maximum


def test_a_group_starts_with_one_instance_per_zone_within_its_bounds() -> None:
    assert initial(capacity(0, 6), zone_count=3) == 3
    assert initial(capacity(6, 12), zone_count=3) == 6
    assert initial(capacity(0, 2), zone_count=3) == 2


@given(st.integers(min_value=0, max_value=300))
def test_clients_have_room_whatever_their_number_up_to_what_a_list_holds(ranges: int) -> None:
    room = room_for_clients(ranges)
    assert (room is None) == (ranges > MOST_CLIENTS)
    assert room is None or ranges <= room <= MOST_CLIENTS
