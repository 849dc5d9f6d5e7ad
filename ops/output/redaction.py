"""What must not be shown: secrets, marked by Pulumi or looking like keys, tokens and private keys.

Every text of a plan goes through here once, before anything is made of it, so that no rendering can leak what another
one hides. It errs on the side of hiding: a value that only looks like a key is hidden too, and said to be. Left out:
secrets that look like ordinary words, which nobody but Pulumi's own marks can tell.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection, Iterable, Iterator, Mapping

from infra.graph import SECRET, Value
from ops.output.detection import Span, holds_secret, is_harmless, spans
from ops.output.escapes import readings
from ops.output.names import names_public, names_secret

HIDDEN = "[secret]"
"""What stands in a text for what looked like one; the same as Pulumi writes for what was marked."""

SHORTEST_SCANNED = 8
"""A shorter text holds no key, nor a name with a value."""

LONGEST_SCANNED = 65_536
"""Of a longer text no part is ever shown, only its length and digest."""

SHORTEST_KNOWN = 8
"""A known secret that is shorter could stand in other texts by chance."""

_VARIABLES = re.compile(r"SECRET|TOKEN|PASSW|PASSPHRASE|CREDENTIAL|PRIVATE_KEY|API_?KEY|ACCESS_?KEY", re.IGNORECASE)
_ORDINARY = re.compile(r"[\d.:]+|[a-z]+(?:-[a-z0-9]+)*|[~.]?/[^\s=]*|https?://[^\s@?]*")
"""A number, a word or a region, a path, an address: what variables such as SECRETS_REGION and TOKEN_URL hold."""

_BASE64 = re.compile(r"[A-Za-z0-9+/\s]{16,}+={0,2}")


def secrets_of(environment: Mapping[str, str]) -> list[str]:
    """Return the values of a process's variables that are secrets by their names, and not ordinary by their looks."""
    return [
        value
        for name, value in environment.items()
        if not is_harmless(value)
        and (names_secret(name) or (_VARIABLES.search(name) is not None and not _ORDINARY.fullmatch(value)))
    ]


class Redactor:
    """Hides secrets; `known` are those that this process itself holds, wherever they should turn up."""

    def __init__(self, known: Collection[str] = ()) -> None:
        longest_first = sorted({secret for secret in known if len(secret) >= SHORTEST_KNOWN}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def text(self, text: str, name: str = "") -> str:
        """Return `text`, of what is called `name`, with whatever looks like a secret replaced by `HIDDEN`.

        Of a very long one, the beginning: what is cut in two there is too far from the beginning to be shown. A text in
        base64 with a secret in it is decoded: what else changes in a boot script is for the reviewer to see.
        """
        text = text[:LONGEST_SCANNED]
        if len(text) < SHORTEST_SCANNED:
            return text
        if _BASE64.fullmatch(text.strip()) and (decoded := _from_base64(text)) and decoded.isascii():
            safe = self.text(decoded)
            return text if safe == decoded else safe
        return _without((*spans(text, names_public(name)), *self._known_in(text)), text)

    def _known_in(self, text: str) -> Iterator[Span]:
        if self._known is not None:
            for reading in readings(text):
                yield from (reading.written(*match.span()) for match in self._known.finditer(reading.text))

    def value(self, value: Value, name: str = "") -> Value:
        """Return `value`, the property called `name`, with secrets in it replaced: by the mark, or inside of texts.

        Keys of mappings are texts too. What a secret-sounding name holds is hidden, however deep, unless it names
        something (an ARN) or is a switch; so is the `value` beside a `name` or `key` that sounds so. A text longer than
        `LONGEST_SCANNED` stays as it is: nothing of it may be shown.
        """
        return self.value_within(value, name, secret=names_secret(name))

    def value_within(self, value: Value, name: str, *, secret: bool) -> Value:
        """Return `value`, called `name`, with secrets in it replaced; `secret`: it lies in what is called one."""
        if isinstance(value, Mapping):
            return {
                self.text(str(key)): self.value_within(
                    item, str(key), secret=holds_secret(str(key), value, within=secret)
                )
                for key, item in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.value_within(item, name, secret=secret) for item in value]
        if isinstance(value, str):
            if value == HIDDEN or (secret and not is_harmless(value)):
                return SECRET
            return value if len(value) > LONGEST_SCANNED else self.text(value, name)
        if secret and isinstance(value, int | float) and not isinstance(value, bool):
            return SECRET
        return value


def _without(secrets: Iterable[Span], text: str) -> str:
    """Return `text` with `HIDDEN` where `secrets` stand, which may overlap."""
    parts, position, hidden_to = list[str](), 0, -1
    for start, end in sorted(secrets):
        if start > hidden_to:
            parts += (text[position:start], HIDDEN)
        position = hidden_to = max(end, hidden_to)
    return "".join((*parts, text[position:]))


def _from_base64(text: str) -> str | None:
    compact = "".join(text.split())
    try:
        return base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return None
