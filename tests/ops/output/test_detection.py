"""How many secrets are found, how much that is harmless is hidden, and that nothing but the secret is."""

from __future__ import annotations

import random
import string
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.graph import SECRET, Value
from ops.output.redaction import HIDDEN, Redactor
from tests.ops.output.samples import CREDENTIALS, FORMS, HARMLESS, aws_examples

RECALL, PRECISION = 0.99, 0.97
SHOWN_AT_MOST = 4
"""Characters of a secret in a row that may be left: more would be of use to whoever guesses the rest."""

ALPHABETS = (
    string.ascii_lowercase,
    string.ascii_letters + string.digits,
    string.ascii_letters + string.digits + "!@#%^*+/-_.",
    string.ascii_letters + string.digits + "+/",
    "0123456789abcdef",
)


def generated_secrets() -> Iterator[str]:
    """Yield secrets as people and programs choose them: words, and random texts of all lengths."""
    yield from ("hunter2", "correct-horse-battery", "p@ss/w0rd!x", "tiger", "Tr0ub4dor&3", "kY2+3nDq/Z8vR1xL0wT5uA==")
    pick = random.Random(16)  # noqa: S311 - secrets to test with, made again from the seed
    for alphabet in ALPHABETS:
        for length in (6, 12, 20, 40):
            yield "".join(pick.choices(alphabet, k=length))


def left_of(secret: str, text: str) -> bool:
    longer = SHOWN_AT_MOST + 1
    return any(secret[start : start + longer] in text for start in range(len(secret) - longer + 1))


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (property, value) of all that lies in a document."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, key)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item, name)
    else:
        yield name, value


def redacted_leaves(document: Value) -> Iterator[tuple[str, Any, Any]]:
    hidden = Redactor().value(document)
    for (name, before), (_, after) in zip(leaves(document), leaves(hidden), strict=True):
        yield name, before, after


def test_secrets_are_hidden_and_harmless_values_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """Counts are of texts that hold a secret or none; a secret counts as hidden if nothing of use is left of it."""
    redactor = Redactor()
    missed, over = [], []
    secrets = harmless = 0
    for tool, form, kept in FORMS:
        for secret in generated_secrets():
            text = redactor.text(form.replace("{}", secret))
            secrets += 1
            if left_of(secret, text):
                missed.append(f"{tool}: {text}")
            elif kept not in text:
                over.append(f"{tool}: {text}")
    for operation, document in aws_examples():
        for name, before, after in redacted_leaves(document):
            is_secret = name in CREDENTIALS and bool(before)
            secrets, harmless = secrets + is_secret, harmless + (not is_secret)
            if is_secret and after is not SECRET:
                missed.append(f"{operation}: {name} {after}")
            elif not is_secret and before != after:
                over.append(f"{operation}: {name} {before}")
    for text in HARMLESS:
        harmless += 1
        over += [text] if redactor.text(text) != text else []
    found = secrets - len(missed)
    recall, precision = found / secrets, found / (found + len(over))
    with capsys.disabled():
        print(  # noqa: T201 - a run says what it has seen, passed or not
            f"\nredaction: recall {recall:.4f} ({found} of {secrets} secrets), precision {precision:.4f} "
            f"({len(over)} of {harmless} harmless texts touched)"
        )
    assert (recall >= RECALL, precision >= PRECISION) == (True, True), "\n".join([*missed, "---", *over])


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_harmless_stays(text: str) -> None:
    assert Redactor().text(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mysql --password hunter2 --host db", f"mysql --password {HIDDEN} --host db"),
        ("password: correct horse battery staple\nport: 1", f"password: {HIDDEN}\nport: 1"),
        ("https://u:p@ss/w@rd@host/x", f"https://u:{HIDDEN}@host/x"),
        ('{"name": "DB_PASSWORD", "value": "hunter2"}', f'{{"name": "DB_PASSWORD", "value": "{HIDDEN}"}}'),
        ('{"value": "hunter2", "note": "x", "key": "dbPassword"}',
         f'{{"value": "{HIDDEN}", "note": "x", "key": "dbPassword"}}'),
        ('{"secrets": {"live": {"a": ["hunter2"]}, "region": "eu-west-2"}}',
         f'{{"secrets": {{"live": {{"a": ["{HIDDEN}"]}}, "region": "eu-west-2"}}}}'),
        ("a:\n  key: |\n    x\n  private_key: |\n    one\n\n    two\n  after: 1",
         f"a:\n  key: |\n    x\n  private_key: |\n    {HIDDEN}\n  after: 1"),
        ('"pass\\u0077ord\\u0022: \\"hunter2\\", "b": 1', f'"pass\\u0077ord\\u0022: \\"{HIDDEN}\\", "b": 1'),
        ("g%68p_0123456789abcdefABCD and more", f"{HIDDEN} and more"),
        ("gh\u200bp_0123456789\u2060abcdefABCD and more", f"{HIDDEN} and more"),
        ("-----BEGIN RSA PRIVATE KEY-----\\nMIIE\\n-----END RSA PRIVATE KEY-----\\nnext", f"{HIDDEN}\\nnext"),
    ],
)  # fmt: skip
def test_only_the_secret_is_hidden(text: str, expected: str) -> None:
    assert Redactor().text(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "cloudant_password = 'cdefabcdefabcdefabcdefabcdefabcdefabcdefabcdefabcdefabcdefabcd'",
        "9f86d081884c7d659a2feaa0c55ad015-us12",
        "sq0csp-aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789_-aBcDe",
        "MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs",
        "SK0123456789abcdef0123456789abcdef",
    ],
)
def test_formats_that_the_maintained_detector_knows_are_hidden(text: str) -> None:
    assert HIDDEN in Redactor().text(f"x {text} y")


@given(st.text(st.characters(codec="utf-8"), max_size=200))
def test_what_was_redacted_stays_as_it_is(text: str) -> None:
    once = Redactor(["correct horse"]).text(text)
    assert Redactor(["correct horse"]).text(once) == once


@given(
    st.lists(st.sampled_from([form for _, form, _ in FORMS] + list(HARMLESS)), min_size=1, max_size=3),
    st.text(string.ascii_letters + string.digits + "-_.!", min_size=6, max_size=30),
)
def test_texts_redacted_twice_hide_no_more(forms: list[str], secret: str) -> None:
    once = Redactor().text("\n".join(forms).replace("{}", secret))
    assert Redactor().text(once) == once


def test_the_detector_is_loaded_by_the_first_text_that_could_need_it() -> None:
    program = (
        "import sys; from ops.output.redaction import Redactor; Redactor().text('password=hunter2 eu-west-2');"
        "print('detect_secrets' in sys.modules); Redactor().text('x' * 40); print('detect_secrets' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "True"]
