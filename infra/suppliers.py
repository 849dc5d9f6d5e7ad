"""Suppliers: who may connect where, and from which addresses.

Live is for assured prescribing systems only (API overview), and no setting of a stack widens that. The other
environments admit whoever lists them, and a mirror its load generators.
"""

from collections.abc import Collection, Iterable, Sequence
from ipaddress import IPv4Network
from itertools import pairwise
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from infra.addressing import PRIVATE_RANGES
from infra.environment import ClientEntry, SupplierArea
from infra.naming import LIVE

FILE = "suppliers.yaml"
WIDEST_PREFIX = 8
"""A wider range than a /8 is not one supplier's."""
NEVER_CLIENTS = (
    *PRIVATE_RANGES,
    *map(IPv4Network, ("0.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3")),
)
"""Ranges that no client on the internet has (RFC 6890); those of documentation are taken for samples."""


class Supplier(BaseModel):
    """One supplier, as suppliers.yaml has it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1, max_length=80)]
    assured: StrictBool
    environments: tuple[str, ...]
    clients: tuple[str, ...] = ()
    """CIDRs."""
    awsAccount: Annotated[str, Field(pattern=r"^\d{12}$")] | None = None  # noqa: N815 - as the file has it


class SupplierList(BaseModel):
    """All suppliers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    suppliers: tuple[Supplier, ...]


def client_range(text: str) -> IPv4Network:
    """Return the range that a client connects from.

    Raises ValueError with a sentence: not IPv4, host bits set, everybody's, or one that no internet client has.
    """
    if ":" in text:
        raise ValueError("is an IPv6 range; allowed: IPv4, which is what the load balancer listens on")
    try:
        network = IPv4Network(text, strict=False)
    except ValueError:
        raise ValueError("is no IPv4 range; allowed: such as 192.0.2.0/28") from None
    if "/" not in text or str(network) != text:
        raise ValueError(f"is not the start of its range; allowed: {network}")
    if network.prefixlen < WIDEST_PREFIX:
        raise ValueError(f"is wider than a /{WIDEST_PREFIX}, and so not one supplier's; name its own addresses")
    if any(network.overlaps(reserved) for reserved in NEVER_CLIENTS):
        raise ValueError(
            "is a private or reserved range, which no client on the internet has; name its public addresses"
        )
    return network


def admitted(suppliers: Iterable[Supplier], environment: str, assured_only: bool) -> tuple[Supplier, ...]:
    """Return the suppliers that may connect to an environment: those that list it; on Live the assured of them."""
    return tuple(
        supplier
        for supplier in suppliers
        if environment in supplier.environments and (supplier.assured or not assured_only)
    )


def entries(
    suppliers: Iterable[Supplier], load_generators: Sequence[str], testers: Sequence[str] = ()
) -> tuple[ClientEntry, ...]:
    """Return the lines of the prefix list, in order of address; a range that several have stands once, with all names.

    Raises ValueError naming both, if one range lies inside another's.
    """
    owners: dict[IPv4Network, list[str]] = {}
    for supplier in suppliers:
        for cidr in supplier.clients:
            owners.setdefault(client_range(cidr), []).append(supplier.name)
    for who, cidrs in (("load generator", load_generators), ("tester", testers)):
        for cidr in cidrs:
            owners.setdefault(client_range(cidr), []).append(who)
    ordered = sorted(owners)
    for outer, inner in pairwise(ordered):
        if outer.overlaps(inner):
            raise ValueError(
                f"{inner} ({', '.join(owners[inner])}) lies inside {outer} ({', '.join(owners[outer])}); "
                "allowed: ranges that don't overlap"
            )
    return tuple(ClientEntry(cidr=str(network), names=tuple(dict.fromkeys(owners[network]))) for network in ordered)


def areas(suppliers: Iterable[Supplier]) -> tuple[SupplierArea, ...]:
    """Return the parts of a dataset that suppliers with an AWS account configure themselves, in order of name."""
    return tuple(
        SupplierArea(supplier=supplier.name, account_id=account, prefix=f"suppliers/{slug(supplier.name)}/")
        for supplier in sorted(suppliers, key=lambda supplier: supplier.name)
        if (account := supplier.awsAccount)
    )


def mistakes(suppliers: Sequence[Supplier], environments: Collection[str]) -> list[tuple[str, str]]:
    """Return (supplier, sentence) of what is wrong with the list as a whole.

    Names stand once; each environment exists; areas in a dataset are apart; and nobody who isn't assured reaches
    Live because its range is an assured supplier's too.
    """
    problems = []
    prefixes: dict[str, str] = {}
    for index, supplier in enumerate(suppliers):
        if supplier.name in (earlier.name for earlier in suppliers[:index]):
            problems.append((supplier.name, "stands twice; allowed: once, with all of its ranges"))
        for unknown in sorted(set(supplier.environments) - set(environments)):
            problems.append((supplier.name, f"lists {unknown}; allowed: {', '.join(sorted(environments))}"))
        if supplier.awsAccount:
            name = slug(supplier.name)
            if not name:
                problems.append((supplier.name, "has no Latin letter or digit to name its area in the dataset by"))
            elif name in prefixes:
                problems.append((supplier.name, f"would share the area suppliers/{name}/ with {prefixes[name]}"))
            prefixes[name] = supplier.name
    return problems + _reaching_live(suppliers)


def _reaching_live(suppliers: Sequence[Supplier]) -> list[tuple[str, str]]:
    live = [supplier for supplier in suppliers if supplier.assured and LIVE in supplier.environments]
    admitted_ranges = [(client_range(cidr), supplier.name) for supplier in live for cidr in supplier.clients]
    return [
        (supplier.name, f"isn't assured, and its {cidr} overlaps {network} of {assured}, which Live admits")
        for network, assured in admitted_ranges
        for supplier in suppliers
        if not supplier.assured
        for cidr in supplier.clients
        if client_range(cidr).overlaps(network)
    ]


def slug(name: str) -> str:
    """Return `name` in lower case, its letters and digits kept, everything between them one hyphen."""
    kept = "".join(character if character.isalnum() and character.isascii() else " " for character in name.lower())
    return "-".join(kept.split())
