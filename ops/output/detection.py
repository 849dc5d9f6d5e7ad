"""Where secrets stand in a text: known formats, values of what is called a secret, credentials, random keys.

A detector that others maintain (Yelp's detect-secrets, as bc-detect-secrets) knows formats of makers of services.
Beside it stands what plans and their messages need and it lacks: private keys whole, AWS's session tokens, assignments
in shells, YAML, JSON, XML and URLs up to where the value ends, in every reading of the text (`escapes`).
Left out: secrets that look like ordinary words under ordinary names, which nobody but Pulumi's own marks can tell.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, lru_cache
from importlib import import_module
from itertools import pairwise
from typing import Protocol

from ops.output.escapes import readings
from ops.output.names import names_identity, names_secret

Span = tuple[int, int]
"""From where to where in a text a secret stands."""

# --- Formats ---

# Formats that their makers document, so that scanners can find them, and that bc-detect-secrets lacks or finds in part.
_FORMATS = re.compile(
    "|".join(
        (
            # Private keys in PEM, whole or cut off (RFC 7468).
            r"-----BEGIN[A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----[\s\S]*?"
            r"(?:-----END[A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\Z)",
            r"PuTTY-User-Key-File-[\s\S]*",
            r"AGE-SECRET-KEY-1[0-9A-Za-z]+",
            # AWS: access key ids (IAM guide, unique identifiers) and session tokens.
            r"(?<![A-Za-z0-9])(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])",
            r"(?:FwoG|IQoJ|FQoG)[A-Za-z0-9/+=]{60,}",
            r"gh[pousr]_[A-Za-z0-9]{16,}",
            r"github_pat_[A-Za-z0-9_]{16,}",
            r"gl(?:pat|dt|rt|cbt|ptt|soat|imt|agent|oas)-[A-Za-z0-9_.-]{16,}",
            r"(?<![A-Za-z0-9])xox[a-z]-[A-Za-z0-9-]{10,}",
            r"(?<![A-Za-z0-9])xapp-[0-9]-[A-Za-z0-9-]{16,}",
            r"hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/]+",
            r"(?<![A-Za-z0-9])pul-[0-9a-f]{16,}",
            r"AIza[0-9A-Za-z_-]{30,}",
            r"GOCSPX-[0-9A-Za-z_-]{20,}",
            r"ya29\.[0-9A-Za-z_-]{16,}",
            r"(?<![A-Za-z0-9])(?:[srp]k_(?:live|test)|whsec)_[0-9A-Za-z]{10,}",
            r"(?<![A-Za-z0-9])sk-[A-Za-z0-9_-]{20,}",
            r"npm_[A-Za-z0-9]{20,}",
            r"pypi-[A-Za-z0-9_-]{20,}",
            r"(?<![A-Za-z0-9])SG\.[\w-]{16,100}\.[\w-]{16,}",
            r"(?<![A-Za-z0-9])hv[sbr]\.[A-Za-z0-9_-]{20,}",
            r"(?<![A-Za-z0-9])do[opr]_v1_[0-9a-f]{32,}",
            r"(?<![A-Za-z0-9])dckr_[a-z]{2,4}_[A-Za-z0-9_-]{20,}",
            r"(?<![A-Za-z0-9])shp(?:at|ca|pa|ss)_[0-9A-Fa-f]{32}",
            r"(?<![A-Za-z0-9])hf_[A-Za-z0-9]{30,}",
            r"(?<![A-Za-z0-9])dapi[0-9a-f]{32}",
            r"(?<![A-Za-z0-9])glsa_[A-Za-z0-9]{20,}_[0-9a-f]{8}",
            r"(?<![0-9])[0-9]{8,10}:AA[A-Za-z0-9_-]{33}",
            # JSON Web Tokens (RFC 7519): a header that begins with {" and a second part.
            r"eyJ[A-Za-z0-9_-]{6,4000}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?",
            r"(?:[Bb]earer|[Bb]asic)\s+[A-Za-z0-9._~+/-]{12,}=*",
        )
    )
)
_MARKERS = re.compile(
    r"PRIVATE KEY|PuTTY|AGE-|A(?:KI|SI|BI|CC)A|FwoG|IQoJ|FQoG|gh[pousr]_|github_pat_|gl[a-z]{2,5}-|xox|xapp-"
    r"|hooks\.slack|pul-|AIza|GOCSPX|ya29\.|k_live_|k_test_|whsec_|sk-|npm_|pypi-|SG\.|hv[sbr]\.|do[opr]_|dckr_|shp|hf_"
    r"|dapi|glsa_|:AA|eyJ|earer|asic"
)
"""One of these is in every text that has one of the formats: looking for them first is much faster."""


class _Detector(Protocol):
    def analyze_string(self, string: str) -> Iterable[str]: ...


_NOT_ASKED = frozenset(
    {
        "BasicAuthDetector",  # ours reads to the last @
        "PrivateKeyDetector",  # of a key it has the first line
        "AzureStorageKeyDetector",  # any 64 bytes in base64, so each SHA-512
        "IbmCloudIamDetector",  # any `key=` with 44 characters
    }
)


@cache
def _detectors() -> tuple[_Detector, ...]:
    # At the first text that could have such a secret: it brings `requests`, and costs a third of a second or more.
    util, base = import_module("detect_secrets.core.plugins.util"), import_module("detect_secrets.plugins.base")
    kinds = util.get_mapping_from_secret_type_to_class().values()
    return tuple(
        kind() for kind in kinds if issubclass(kind, base.RegexBasedDetector) and kind.__name__ not in _NOT_ASKED
    )


_LONG_WORD = re.compile(r"[A-Za-z0-9_+/-]{20,}")
_PIECE = 1_000
"""Characters of a line that the detector gets at once: some of its patterns take the square of the length."""


def _maintained(text: str) -> Iterator[Span]:
    for line in re.finditer(r"[^\n]+", text):
        for start in range(line.start(), line.end(), _PIECE // 2):
            piece = text[start : min(start + _PIECE, line.end())]
            if not _LONG_WORD.search(piece):
                continue
            for secret in {secret for detector in _detectors() for secret in detector.analyze_string(piece)}:
                yield from _places(secret, piece, start)


def _places(secret: str, text: str, offset: int) -> Iterator[Span]:
    position = text.find(secret) if secret else -1
    while position >= 0:
        yield offset + position, offset + position + len(secret)
        position = text.find(secret, position + len(secret))


# --- What is called a secret ---

_STEMS = re.compile(r"(?i)pass|pwd|secret|token|key|cred|auth|cookie|sig|conn|jwt|bearer|psk|pat\b|_pw|sess")
"""One of these is in every name that `names_secret`."""

# Names of things, not their contents: ARNs, references, switches, what Pulumi writes for what isn't shown.
_HARMLESS = re.compile(
    r"(?i)arn:[\w:/*.@+=,-]*|\$\{?[\w.]+\}?|\$\([^)]*\)|\{\{[^}]*\}\}|<[^>]*>|true|false|null|none|yes|no|required"
    r"|optional|enabled|disabled|str(?:ing)?|\[secret\]?|\[known after up\]?|\*+|x{3,}"
)

_NAME = r"[A-Za-z_][\w.-]{0,80}"
# But for `secret:` in an ARN, after the account's number (Secrets Manager guide, ARNs of secrets).
_ASSIGNED = re.compile(
    rf"""(?<![A-Za-z0-9])(?<![0-9]{{12}}:)(?P<name>{_NAME})["']?(?:\[\d*\])?[ \t]{{0,3}}"""
    r"""(?:=>|:=|!?==?=?|[:=])[ \t]{0,8}+"""
    # A mapping in YAML or a template's expression has names of its own.
    r"""(?!\{(?:\{|[ \t]*["']?[\w-]+["']?[ \t]*:))"""
)
_OPTION = re.compile(rf"(?<![\w-])--?(?P<name>{_NAME})[ \t]{{1,8}}(?!-)")
_ELEMENT = re.compile(rf"<(?P<name>{_NAME})(?:[ \t][^<>]{{0,200}})?>")
# define('DB_PASSWORD', '...'); in .netrc and redis.conf.
_CALLED = re.compile(rf"""\([ \t]{{0,3}}["'](?P<name>{_NAME})["'],[ \t]{{0,3}}(?=["'])""")
_SPACED = re.compile(r"\blogin[ \t]+\S{1,80}\s+(?P<name>password)[ \t]+|(?m:^)[ \t]*(?P<directive>requirepass)[ \t]+")
# {"name": "DB_PASSWORD", "value": "..."}, - name: ... / value: ..., <add key="..." value="..."/>
_SIBLING_NAME = r"(?:name|key|parameterkey|variable|field)"
_SIBLING_VALUE = r"(?:value|parametervalue|default|values)"
_SIBLING = re.compile(
    rf"""(?i)\b{_SIBLING_NAME}["']?\s{{0,3}}[:=]\s{{0,3}}["']?(?P<name>{_NAME})"""
    rf"""(?:["']\s{{1,3}}|["']?\s{{0,3}}[,;\n]\s{{0,40}}["']?){_SIBLING_VALUE}["']?\s{{0,3}}[:=][ \t]{{0,8}}"""
)

# Quotes end where something else follows them, whether or not quotes inside of them are escaped.
_QUOTED = re.compile(r"""(["'])(?P<value>(?:(?!\1[ \t]*(?:[,;:}\])\\|&>#]|\s|\Z))[^\n])*)\1?""")
# The end of a value without quotes: of the line, or where another option, assignment, comment or command begins.
_PLAIN = re.compile(
    r"""(?P<value>(?:(?![ \t]+(?:--?[A-Za-z]|[\w.-]+=|[\w-]+:[ \t]|[#|>]|&&)|,[ \t"']|[,&;](?=[\w. -]{1,60}[=:])"""
    r"""|;[ \t]*(?:\n|\Z)|["'`}\])]+(?:[ \t,;:.}\])"'`]|\n|\Z))[^\n])+)"""
)
_ARGUMENT = re.compile(r"""(?P<value>[^\s"'`|;&]+)""")
_CONTENT = re.compile(r"(?P<value>[^<]+)")
_BLOCK = re.compile(r"[|>][+-]?[0-9]?[+-]?[ \t]*(?:#[^\n]*)?\n")

_HEADS = (
    (_ASSIGNED, (_QUOTED, _PLAIN)),
    (_OPTION, (_QUOTED, _ARGUMENT)),
    (_ELEMENT, (_CONTENT,)),
    (_CALLED, (_QUOTED,)),
    (_SPACED, (_QUOTED, _ARGUMENT)),
    (_SIBLING, (_QUOTED, _PLAIN)),
)
"""What stands before a value, with its name, and how the value may be written there."""


def _called_secret(text: str) -> Iterator[Span]:
    if not _STEMS.search(text):
        return
    for head, forms in _HEADS:
        position = 0
        while match := head.search(text, position):
            # What isn't a secret may begin with another name: `environment: PASSWORD=...`.
            position = match.end()
            if names_secret(match[match.lastgroup or "name"]) and (value := _value(text, match, forms)) is not None:
                yield value
                position = max(position, value[1])


def _value(text: str, head: re.Match[str], forms: tuple[re.Pattern[str], ...]) -> Span | None:
    if block := _BLOCK.match(text, head.end()):
        return _block(text, head.start(), block.end())
    match = next((match for form in forms if (match := form.match(text, head.end()))), None)
    if match is None or is_harmless(match["value"].strip(" \t\"'")):
        return None
    return match.start("value"), match.start("value") + len(match["value"].rstrip())


def _block(text: str, head: int, start: int) -> Span | None:
    """Return a block of YAML: the lines from `start` on that are empty or stand further in than the line of `head`."""
    line = text[text.rfind("\n", 0, head) + 1 : head]
    depth, end, position = len(line) - len(line.lstrip(" \t")), start, start
    while position < len(text):
        after = text.find("\n", position) + 1 or len(text) + 1
        content = text[position : after - 1]
        if content.strip() and len(content) - len(content.lstrip(" \t")) <= depth:
            break
        end = position + len(content.rstrip()) if content.strip() else end
        position = after
    begin = start + len(text[start:end]) - len(text[start:end].lstrip())
    return (begin, end) if begin < end and not is_harmless(text[begin:end]) else None


def is_harmless(value: str) -> bool:
    """Return whether a value, under whatever name, is no secret: empty, a reference, a switch, a public key, hidden."""
    return not value or _HARMLESS.fullmatch(value) is not None or _PUBLIC.match(value) is not None


# --- Credentials in URLs and of commands ---

_URL = re.compile(r"""://(?P<plain>[^\s"'<>`]+)""")
_PORT = re.compile(r"\d{1,5}(?:[/?#]|\Z)")
_COMMAND = re.compile(
    r"""\b(?:(?:curl|wget)\b[^\n|;]{0,400}?\s(?:-u|-U|--user|--proxy-user)[ =]?(?P<quote>["']?)[^\s:"']{0,200}:"""
    r"""|(?:sshpass|docker[ ]login)\b[^\n|;]{0,400}?\s-p[ ]?(?P<other_quote>["']?))"""
)


def _credentials(text: str) -> Iterator[Span]:
    if "://" in text:
        for match in _URL.finditer(text):
            yield from _in_authority(match["plain"], match.start("plain"))
    for match in _COMMAND.finditer(text):
        # The value ends with its quote, or at white space.
        rest = text[match.end() :].partition("\n")[0]
        quote = match["quote"] or match["other_quote"]
        value = re.split(rf"{quote}(?:\s|\Z)" if quote else r"\s", rest, maxsplit=1)[0]
        if not is_harmless(value):
            yield match.end(), match.end() + len(value)


def _in_authority(rest: str, offset: int) -> Iterator[Span]:
    """Yield the password of what follows `://`: from the first colon to the last @, as people write it unescaped."""
    user, colon, after = rest.partition(":")
    end = rest.rfind("@")
    if not colon or "/" in user or "@" in user or end <= len(user) + 1 or _PORT.match(after):
        return
    if not is_harmless(rest[len(user) + 1 : end]):
        yield offset + len(user) + 1, offset + end


# --- Random keys ---

_RUN = re.compile(r"[A-Za-z0-9+/_=-]{32,}")
RANDOM_BITS = 4.2
"""Bits per character (Shannon) from which on a run counts as random; 32 random characters have about 4.6."""
RANDOM_TURNS = 0.35
"""Changes between small letters, capitals, digits and others, per character: random ones have 0.6, names in camelCase
and paths less than 0.3."""
_HEXADECIMAL = re.compile(r"[0-9a-fA-F]{32,}")
# Random, and for everybody: certificates and public keys (RFC 7468, OpenSSH), digests (Subresource Integrity).
_PUBLIC = re.compile(
    r"-----BEGIN (?:CERTIFICATE|(?:RSA |EC )?PUBLIC KEY|CERTIFICATE REQUEST|X509 CRL)-----[^-]*"
    r"|(?:ssh-(?:rsa|dss|ed25519)|ecdsa-sha2-nistp\d+|sk-[a-z0-9-]+@openssh\.com)\s+[A-Za-z0-9+/=]+"
    r"|(?i:sha-?(?:1|224|256|384|512))[-:=]:?[A-Za-z0-9+/]{27,88}=*"
)


def _random(text: str) -> Iterator[Span]:
    runs = [match.span() for match in _RUN.finditer(text) if _is_random(match[0])]
    if runs:
        public = [match.span() for match in _PUBLIC.finditer(text)]
        yield from (run for run in runs if not any(start < run[1] and run[0] < end for start, end in public))


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


# --- All of it ---


@lru_cache(maxsize=65_536)
def spans(text: str, may_be_random: bool = False) -> tuple[Span, ...]:
    """Return where secrets stand in `text`; `may_be_random`: what looks like a random key is none there."""
    return tuple(
        reading.written(start, end)
        for reading in readings(text)
        for start, end in (*_spans_as_it_reads(reading.text), *(() if may_be_random else _random(reading.text)))
        if start < end
    )


def _spans_as_it_reads(text: str) -> Iterator[Span]:
    if _MARKERS.search(text):
        yield from (match.span() for match in _FORMATS.finditer(text))
    yield from _maintained(text)
    yield from _called_secret(text)
    yield from _credentials(text)
    yield from _in_document(text)


def _in_document(text: str) -> Iterator[Span]:
    """Yield the texts of a JSON document that are secrets by where they lie in it: far from their names, or below."""
    if text[:1] not in "{[" or not _STEMS.search(text):
        return
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return
    for secret in set(_secret_texts(document)):
        for written in {json.dumps(secret), json.dumps(secret, ensure_ascii=False)}:
            # Without its quotes: a document stays one to the eye.
            yield from ((start + 1, end - 1) for start, end in _places(written, text, 0))


def _secret_texts(value: object, secret: bool = False) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _secret_texts(item, holds_secret(key, value, within=secret))
    elif isinstance(value, list):
        for item in value:
            yield from _secret_texts(item, secret)
    elif secret and isinstance(value, str) and not is_harmless(value):
        yield value


_IS_NAME, _IS_VALUE = (re.compile(f"(?i){pattern}") for pattern in (_SIBLING_NAME, _SIBLING_VALUE))


def holds_secret(key: str, mapping: Mapping[str, object], *, within: bool) -> bool:
    """Return whether the property `key` of `mapping` holds a secret.

    It does by its own name, or because it is the `value` beside a `name` of one, or, unless it only tells which secret
    it is, because `mapping` lies `within` what is called one.
    """
    beside = _IS_VALUE.fullmatch(key) is not None and any(
        isinstance(name, str) and _IS_NAME.fullmatch(str(other)) is not None and names_secret(name)
        for other, name in mapping.items()
    )
    return names_secret(key) or beside or (within and not names_identity(key))
