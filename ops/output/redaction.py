"""What must not be shown: secrets, marked by Pulumi or looking like keys, tokens and private keys.

Every text of a plan goes through here once, before anything is made of it, so that no rendering can leak what another
one hides. It errs on the side of hiding: a value that only looks like a key is hidden too, and said to be. Left out:
secrets that look like ordinary words, which nobody but Pulumi's own marks can tell.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections import Counter
from collections.abc import Collection, Mapping
from functools import lru_cache
from itertools import pairwise

from infra.graph import SECRET, Value

HIDDEN = "[secret]"
"""What stands in a text for what looked like one; the same as Pulumi writes for what was marked."""

SHORTEST_SCANNED = 8
"""A shorter text holds no key, nor a name with a value."""

LONGEST_SCANNED = 65_536
"""Of a longer text no part is ever shown, only its length and digest."""

SHORTEST_KNOWN = 8
"""A known secret that is shorter could stand in other texts by chance."""

# Formats that their makers document, so that scanners can find them; then what is named a secret where it stands.
_FORMATS = re.compile(
    "|".join(
        (
            # Private keys in PEM, whole or cut off, also with escaped ends of lines (RFC 7468).
            r"-----BEGIN[A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----[\s\S]*?"
            r"(?:-----END[A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\Z)",
            r"PuTTY-User-Key-File-[\s\S]*",
            r"AGE-SECRET-KEY-1[0-9A-Za-z]+",
            # AWS: access key ids (IAM guide, unique identifiers) and session tokens.
            r"(?<![A-Za-z0-9])(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])",
            r"(?:FwoG|IQoJ|FQoG)[A-Za-z0-9/+=]{60,}",
            r"gh[pousr]_[A-Za-z0-9]{16,}",
            r"github_pat_[A-Za-z0-9_]{16,}",
            r"glpat-[A-Za-z0-9_-]{16,}",
            r"xox[a-z]-[A-Za-z0-9-]{10,}",
            r"hooks\.slack\.com/services/[A-Za-z0-9/]+",
            r"(?<![A-Za-z0-9])pul-[0-9a-f]{16,}",
            r"AIza[0-9A-Za-z_-]{30,}",
            r"ya29\.[0-9A-Za-z_-]{16,}",
            r"(?<![A-Za-z0-9])[srp]k_(?:live|test)_[0-9A-Za-z]{10,}",
            r"(?<![A-Za-z0-9])sk-[A-Za-z0-9_-]{20,}",
            r"npm_[A-Za-z0-9]{20,}",
            r"pypi-[A-Za-z0-9_-]{20,}",
            r"(?<![A-Za-z0-9])SG\.[\w-]{16,100}\.[\w-]{16,}",
            r"(?<![A-Za-z0-9])hv[sb]\.[A-Za-z0-9_-]{20,}",
            # JSON Web Tokens (RFC 7519): a header that begins with {" and a second part.
            r"eyJ[A-Za-z0-9_-]{6,4000}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?",
            r"(?:[Bb]earer|[Bb]asic)\s+[A-Za-z0-9._~+/-]{12,}=*",
        )
    )
)
_MARKERS = (
    "PRIVATE KEY", "PuTTY", "AGE-", "AKIA", "ASIA", "ABIA", "ACCA", "FwoG", "IQoJ", "FQoG", "ghp_", "gho_", "ghu_",
    "ghs_", "ghr_", "github_pat_", "glpat-", "xox", "hooks.slack", "pul-", "AIza", "ya29.", "k_live_", "k_test_",
    "sk-", "npm_", "pypi-", "SG.", "hvs.", "hvb.", "eyJ", "earer", "asic",
)  # fmt: skip
"""One of these is in every text that has one of the formats: looking for them first is much faster."""

# https://user:password@host
_CREDENTIALS_IN_URL = re.compile(r"(://[^\s/:@]{0,80}:)([^\s/@]+)(?=@)")

_WORDS_FOR_SECRETS = (
    r"pass(?:word|wd|phrase)|pwd|secret(?:[_ -]?(?:access[_ -]?)?key|[_ -]?string)?|[a-z_-]{0,30}token|api[_ -]?key"
    r"|access[_ -]?key(?:[_ -]?id)?|private[_ -]?key|credentials?|connection[_ -]?string"
)
_ASSIGNED = re.compile(
    # But for `secret:` in an ARN, after the account's number (Secrets Manager guide, ARNs of secrets).
    rf"""(?i)((?<![a-z0-9])(?<![0-9]{{12}}:)(?:[a-z0-9]+[_-]){{0,4}}(?:{_WORDS_FOR_SECRETS})["']?\s{{0,3}}[:=]\s{{0,3}})"""
    r"""("[^"\n]*+"?|'[^'\n]*+'?|[^\s"',;&}\])]+)"""
)
_SECRET_NAMES = (
    "password", "passwd", "passphrase", "secret", "secretkey", "secretaccesskey", "secretstring", "secretvalue",
    "token", "privatekey", "apikey", "accesskey", "accesskeyid", "credential", "credentials", "authorization",
    "connectionstring", "secrets", "passwords", "apikeys",
)  # fmt: skip
_NOT_LETTERS = re.compile(r"[^a-z]")
# Names of things, not their contents: ARNs, references, switches.
_HARMLESS = re.compile(
    r"(?i)arn:[\w:/*.@+=,-]*|\$\{?[\w.]+\}?|\{\{[^}]*\}\}|true|false|null|none|required|optional|enabled|disabled"
    r"|\[secret\]|\[known after up\]|\*+"
)

_RUN = re.compile(r"[A-Za-z0-9+/_=-]{32,}")
RANDOM_BITS = 4.2
"""Bits per character (Shannon) from which on a run counts as random; 32 random characters have about 4.6."""
RANDOM_TURNS = 0.35
"""Changes between small letters, capitals, digits and others, per character: random ones have 0.6, names in camelCase
and paths less than 0.3."""
_HEXADECIMAL = re.compile(r"[0-9a-fA-F]{32,}")
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]{16,}+={0,2}")


class Redactor:
    """Hides secrets; `known` are those that this process itself holds, wherever they should turn up."""

    def __init__(self, known: Collection[str] = ()) -> None:
        longest_first = sorted({one for one in known if len(one) >= SHORTEST_KNOWN}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def text(self, text: str) -> str:
        """Return `text` with whatever looks like a secret replaced by `HIDDEN`; of a very long one, the beginning.

        What is cut in two there is too far from the beginning to be shown.
        """
        text = text[:LONGEST_SCANNED]
        if self._known is not None:
            text = self._known.sub(HIDDEN, text)
        return _scanned(text) if len(text) >= SHORTEST_SCANNED else text

    def value(self, value: Value, name: str = "") -> Value:
        """Return `value`, the property called `name`, with secrets in it replaced: by the mark, or inside of texts.

        Keys of mappings are texts too. What a secret-sounding name holds is hidden, unless it names something
        (an ARN) or is a switch. A text longer than `LONGEST_SCANNED` stays as it is: nothing of it may be shown.
        """
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.value(item, str(key)) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(item, name) for item in value]
        if isinstance(value, str):
            if value == HIDDEN:
                return SECRET
            if value and _named_secret(name) and not _HARMLESS.fullmatch(value):
                return SECRET
            return value if len(value) > LONGEST_SCANNED else self.text(value)
        if isinstance(value, int | float) and not isinstance(value, bool) and _named_secret(name):
            return SECRET
        return value


@lru_cache(maxsize=65_536)
def _named_secret(name: str) -> bool:
    letters = _NOT_LETTERS.sub("", name.lower())
    return letters.endswith(_SECRET_NAMES)


def _scan(text: str) -> str:
    if any(marker in text for marker in _MARKERS):
        text = _FORMATS.sub(HIDDEN, text)
    if "://" in text:
        text = _CREDENTIALS_IN_URL.sub(rf"\1{HIDDEN}", text)
    if "=" in text or ":" in text:
        text = _ASSIGNED.sub(_without_value, text)
    if _BASE64.fullmatch(text.strip()) and (decoded := _from_base64(text)) and decoded.isascii():
        # Without the secret: what else changes in a boot script is for the reviewer to see.
        safe = _scan(decoded)
        return text if safe == decoded else safe
    text = _RUN.sub(_unless_random, text)
    return text


_scanned = lru_cache(maxsize=65_536)(_scan)


def _without_value(match: re.Match[str]) -> str:
    value = match[2].strip("\"'")
    # What was hidden before ends in a bracket, which no value here does.
    hidden = f"{value}]" == HIDDEN
    return match[0] if not value or hidden or _HARMLESS.fullmatch(value) else f"{match[1]}{HIDDEN}"


def _unless_random(match: re.Match[str]) -> str:
    return HIDDEN if _is_random(match[0]) else match[0]


def _is_random(run: str) -> bool:
    if _HEXADECIMAL.fullmatch(run):
        # A digest or an id as likely as a key; a key is told by the name that it stands under.
        return False
    kinds = [_kind(character) for character in run]
    if not {"a", "A", "0"} <= set(kinds):
        return False
    # Not at signs: words with hyphens and slashes between them turn there, too.
    turns = sum(one != other for one, other in pairwise(kinds) if "-" not in (one, other)) / len(run)
    counts = Counter(run)
    bits = -sum(count / len(run) * math.log2(count / len(run)) for count in counts.values())
    return turns >= RANDOM_TURNS and bits >= RANDOM_BITS


def _kind(character: str) -> str:
    if character.islower():
        return "a"
    if character.isupper():
        return "A"
    return "0" if character.isdigit() else "-"


def _from_base64(text: str) -> str | None:
    compact = "".join(text.split())
    try:
        return base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return None
