"""Who may connect where."""

from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.environment import ClientEntry, SupplierArea
from infra.suppliers import Supplier, admitted, areas, client_range, entries


def supplier(name: str = "Example", *clients: str, assured: bool = True, **more: object) -> Supplier:
    return Supplier.model_validate(
        {"name": name, "assured": assured, "environments": ["live", "nft"], "clients": clients, **more}
    )


def test_live_admits_the_assured_of_those_who_list_it() -> None:
    listed = [supplier("A"), supplier("B", assured=False), supplier("C", environments=["int"])]
    assert [one.name for one in admitted(listed, "live", assured_only=True)] == ["A"]


def test_others_admit_whoever_lists_them() -> None:
    listed = [supplier("A"), supplier("B", assured=False), supplier("C", environments=["int"])]
    assert [one.name for one in admitted(listed, "nft", assured_only=False)] == ["A", "B"]


def test_entries_are_in_order_of_address_with_the_suppliers_name() -> None:
    listed = [supplier("B", "198.51.100.0/28"), supplier("A", "192.0.2.0/28")]
    assert entries(listed, ["203.0.113.0/24"]) == (
        ClientEntry(cidr="192.0.2.0/28", names=("A",)),
        ClientEntry(cidr="198.51.100.0/28", names=("B",)),
        ClientEntry(cidr="203.0.113.0/24", names=("load generator",)),
    )


def test_a_range_of_two_suppliers_stands_once_with_both_names() -> None:
    shared = entries([supplier("A", "192.0.2.0/28"), supplier("B", "192.0.2.0/28")], [])
    assert shared == (ClientEntry(cidr="192.0.2.0/28", names=("A", "B")),)


def test_a_range_inside_anothers_is_refused_with_both_names() -> None:
    listed = [supplier("A", "192.0.2.0/24"), supplier("B", "192.0.2.16/28")]
    with pytest.raises(ValueError, match=r"192.0.2.16/28 \(B\) lies inside 192.0.2.0/24 \(A\)"):
        entries(listed, [])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0.0.0.0/0", "wider than a /8"),
        ("2001:db8::/32", "is an IPv6 range"),
        ("192.0.2.1/24", "allowed: 192.0.2.0/24"),
        ("192.0.2.1", "allowed: 192.0.2.1/32"),
        ("10.1.2.0/24", "is a private or reserved range"),
        ("not one", "is no IPv4 range"),
        ("192.0.2.0/33", "is no IPv4 range"),
    ],
)
def test_a_range_that_no_client_can_have_is_refused_with_what_is_allowed(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        client_range(text)


@given(
    st.lists(
        st.builds(
            lambda address: str(IPv4Network((address, 28), strict=False)),
            st.ip_addresses(v=4, network="203.0.112.0/20"),
        )
    )
)
def test_no_range_is_lost_or_invented(ranges: list[str]) -> None:
    made = entries([supplier(f"S{index}", cidr) for index, cidr in enumerate(ranges)], [])
    assert {entry.cidr for entry in made} == set(ranges)


def test_a_supplier_with_an_account_has_an_area_under_its_own_name() -> None:
    listed = [supplier("Example & Sons Ltd.", awsAccount="111122223333"), supplier("None")]
    assert areas(listed) == (
        SupplierArea(supplier="Example & Sons Ltd.", account_id="111122223333", prefix="suppliers/example-sons-ltd/"),
    )
