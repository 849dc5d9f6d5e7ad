"""The picture of the pipeline, as a person sees it and as Mermaid reads it."""

from infra.promotion import Stage
from ops.status.picture import Position, as_mermaid, as_text, in_order, order
from tests.infra.test_promotion import pipeline


def position(stack: str, **changes: object) -> Position:
    usual: dict[str, object] = {"wanted": "1.4.0", "resolved": "1.4.0", "deployed": "1.4.0", "running": {"1.4.0": 3}}
    return Position(stack=stack, **{**usual, **changes})  # type: ignore[arg-type]  # the fields' own types


POSITIONS = (
    position("dev", deployed=None, running={}),
    position("int", wanted="live+1", resolved="1.5.0", deployed="1.4.0"),
    position("live", running={"1.4.0": 5, "1.5.0": 1}),
)


def test_a_release_travels_from_left_to_right() -> None:
    assert as_text(POSITIONS) == "\n".join(
        [
            "┌──────────────┐   ┌─────────────────┐   ┌──────────────────────┐",
            "│ dev          │   │ int             │   │ live                 │",
            "│ 1.4.0        │──▶│ 1.5.0 (live+1)  │──▶│ 1.4.0                │",
            "│ not deployed │   │ deployed: 1.4.0 │   │ 5 x 1.4.0, 1 x 1.5.0 │",
            "│              │   │ 3 x 1.4.0       │   │                      │",
            "└──────────────┘   └─────────────────┘   └──────────────────────┘",
        ]
    )


def test_mermaid_marks_what_is_not_as_configured_and_takes_no_orders_from_names() -> None:
    drawn = as_mermaid((position("nft"), position("end", running={'x"]; click': 1})))
    assert drawn.splitlines() == [
        "flowchart LR",
        '    stack_nft["nft<br/>1.4.0<br/>3 x 1.4.0"]',
        '    stack_end["end<br/>1.4.0<br/>1 x x#34;#93;#59; click"]',
        "    stack_nft --> stack_end",
        "    classDef pending stroke-dasharray: 4 3",
        "    class stack_end pending",
    ]


def test_the_order_is_any_then_int_then_mirrors_then_live() -> None:
    of = pipeline()
    stages = {"load": Stage(stack="load", wanted="live", mirrors="live"), **of.stages}
    assert order(type(of)(releases=of.releases, stages=stages, evidence=of.evidence)) == [
        *("dev", "int", "load", "nft", "live"),
    ]


def test_in_order_is_what_is_configured_deployed_and_runs() -> None:
    assert in_order(position("live"))
    assert in_order(position("dev", running={}))
    assert not in_order(POSITIONS[1])
    assert not in_order(POSITIONS[2])
