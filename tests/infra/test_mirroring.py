"""What a mirror may differ in: nothing else, whatever people write and whatever somebody changes."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from random import Random

import pytest

from infra.graph import Difference
from infra.mirroring import differences
from tests.infra.mirrors import Pair, pairs
from tests.infra.mutations import KINDS, Mutation, mutated

ORIGINALS = 15
MIRRORS_EACH = 7
MUTATIONS_EACH = 2


@dataclass
class Figures:
    """What came of the random pairs."""

    alarms: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    pairs: Counter[str] = field(default_factory=Counter)
    mutations: Counter[str] = field(default_factory=Counter)


def drift(found: Iterable[Difference]) -> tuple[Difference, ...]:
    """Return what may not be of what differs."""
    return tuple(one for one in found if one.allowed is None)


def mutations(pair: Pair, alone: Collection[str], random: Random) -> Iterator[tuple[Mutation, tuple[Difference, ...]]]:
    """Yield so many changes of a pair, each with what is told of it; none in what stands `alone`, as it may."""
    done = 0
    while done < MUTATIONS_EACH:
        side = random.choice((0, 1))
        mutation = mutated(random, pair.graphs[side], pair.graphs[1 - side])
        if mutation.key not in alone:
            done += 1
            live, mirror = (mutation.graph if index == side else pair.graphs[index] for index in (0, 1))
            yield mutation, drift(differences(live, mirror, pair.environments))


@pytest.fixture(scope="module")
def figures() -> Figures:
    """Hold every random pair to the comparison once: recording them is what takes time."""
    found = Figures()
    for seed in range(ORIGINALS):
        for number, pair in enumerate(pairs(seed, MIRRORS_EACH)):
            case = f"seed {seed}, {pair.environments[0].name} and {pair.environments[1].name}"
            found.pairs["made for one test" if pair.environments[1].lifetime else "permanent"] += 1
            usual = differences(*pair.graphs, pair.environments)
            found.alarms += [f"{case}: {one}" for one in drift(usual)]
            if drift(usual):
                continue
            alone = {one.key for one in usual if not one.path}
            for mutation, told in mutations(pair, alone, Random(f"{seed}.{number}")):  # noqa: S311 - cases, not secrets
                found.mutations[mutation.what] += 1
                if not mutation.is_told_by(told):
                    change = f"{mutation.path}: {mutation.old} -> {mutation.new}"
                    found.missed.append(f"{case}: {mutation.what} {mutation.resource.urn} {change}, told: {told}")
    return found


def test_no_random_pair_of_valid_files_is_a_false_alarm(figures: Figures, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        told = ", ".join(f"{count} {kind}" for kind, count in figures.pairs.items())
        print(f"\nmirroring: {figures.pairs.total()} random pairs ({told}): {len(figures.alarms)} false alarms")  # noqa: T201 - the figures that the test is for
    assert figures.alarms == []
    assert figures.pairs.total() >= 100


def test_every_random_change_is_told_as_that_change_and_nothing_else_is(
    figures: Figures, capsys: pytest.CaptureFixture[str]
) -> None:
    made = figures.mutations.total()
    with capsys.disabled():
        told = ", ".join(f"{count} {kind}" for kind, count in sorted(figures.mutations.items()))
        print(f"\nmirroring: {made} random changes ({told}): {made - len(figures.missed)} found")  # noqa: T201 - the figures that the test is for
    assert figures.missed == []
    assert made >= 200
    assert set(figures.mutations) == set(KINDS)
