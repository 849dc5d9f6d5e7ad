"""A review of several stacks as a document for programs; docs/reviewing.md has its schema.

`format` counts up whenever a field changes its meaning or goes. Fields may be added.
"""

from __future__ import annotations

import json
from dataclasses import replace

from pydantic import ConfigDict, TypeAdapter
from pydantic.alias_generators import to_camel

from infra.times import stamp
from ops.output.redaction import Redactor
from ops.output.visible import visible
from ops.review.model import Review, Source, StackReview, headline, verdict

FORMAT = 1


def as_json(review: Review) -> str:
    """Return the document; see docs/reviewing.md."""
    document = {
        "format": FORMAT,
        "verdict": review.verdict,
        "passed": review.gate.passed,
        "commit": review.commit,
        "judgedBy": review.judged_by,
        "madeAt": stamp(review.made_at),
        "stacks": [
            {"headline": headline(stack), **document}
            for stack, document in zip(review.stacks, _STACKS.dump_python(review.stacks, by_alias=True), strict=True)
        ],
        "acknowledgements": {"stale": list(review.gate.stale), "unused": list(review.gate.unused)},
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


class UntrustedReviewError(ValueError):
    """The document is no review. The message shows nothing of it."""


def from_json(text: str, redactor: Redactor) -> tuple[StackReview, ...]:
    """Return the stacks' reviews in a document that somebody else's code wrote, trusting nothing in it.

    Every text is searched for secrets and made visible again, acknowledgements and verdicts are left out and found
    anew. Raises UntrustedReviewError if it is no such document, or larger than one can be.
    """
    if len(text) > LARGEST_DOCUMENT:
        raise UntrustedReviewError(
            f"the document has {len(text):,} characters; a review has {LARGEST_DOCUMENT:,} at most"
        )
    try:
        document = json.loads(text)
        stacks = document["stacks"]
        if document["format"] != FORMAT or not isinstance(stacks, list):
            raise UntrustedReviewError(f"the document is no review of format {FORMAT}")
        read = _STACKS.validate_python(_harmless(stacks, redactor))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        # Pydantic quotes what it was given.
        raise UntrustedReviewError(f"the document is no review: {type(error).__name__}") from None
    unjudged = [
        replace(stack, dangers=tuple(replace(danger, acknowledged="") for danger in stack.dangers), source=UNTRUSTED)
        for stack in read
    ]
    return tuple(replace(stack, verdict=verdict(stack)) for stack in unjudged)


LARGEST_DOCUMENT = 20_000_000
LONGEST_TEXT = 2_500

UNTRUSTED = Source(
    kind="lab",
    label="the lab, not AWS, by the pull request's own code: information, and no evidence",
    command="eps-dos review --base COMMIT",
)

_STACKS = TypeAdapter(tuple[StackReview, ...], config=ConfigDict(alias_generator=to_camel))


def _harmless(value: object, redactor: Redactor) -> object:
    if isinstance(value, dict):
        return {key: _harmless(item, redactor) for key, item in value.items()}
    if isinstance(value, list):
        return [_harmless(item, redactor) for item in value]
    return visible(redactor.text(value))[:LONGEST_TEXT] if isinstance(value, str) else value
