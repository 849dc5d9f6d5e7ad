"""Whether a name says that what it holds is a secret: `dbPassword`, `AWS_SECRET_ACCESS_KEY`, but not `SECRETS_REGION`.

Read as English compounds are: the last word says what a thing is, so a `tokenUrl` is a URL and `secretName` a name.
"""

from __future__ import annotations

import re
from functools import lru_cache

# Ends of names, as letters alone: also where no capital and no hyphen tells words apart (PGPASSWORD, authtoken).
_ENDS = re.compile(
    "(?:password|passwd|passphrase|passcode|pwd|secret|secretstring|secretvalue|secretbinary|token|credential"
    "|credentials|authorization|connectionstring|cookie|secretkey|accesskey|accesskeyid|apikey|apisecret"
    "|privatekey|accountkey|authkey|masterkey|encryptionkey|signingkey|sharedkey|storagekey|servicekey|licensekey"
    "|sshkey|sessionkey|clientkey|deploykey|hmackey|webhookkey|subscriptionkey|customerkey|mackey|hostkey"
    "|keymaterial|samlassertion|secretcode|passwords|secrets|apikeys|accesskeys|privatekeys|jsessionid|sessid"
    r"|amzsignature|authtokens|apitokens|accesstokens|refreshtokens|bearertokens|sessiontokens)\Z"
)
_WORDS = frozenset({"pass", "pw", "psk", "pat", "jwt", "bearer", "creds"})
"""Last words that are too short to be told from the end of another (compass)."""
_WHOLE = frozenset({"sig", "signature", "auth", "requirepass"})
"""Whole names: Azure's `sig`, AWS's `Signature`, npm's `_auth`, Redis's `requirepass`."""

# What may follow: which of several it is. `PASSWORD_PROD`, `secret2`, `tokenOld`.
_WHICH = re.compile(
    "new|old|current|previous|prod|production|live|test|testing|staging|dev|int|nft|development|local|default"
    "|primary|secondary|master|admin|root|base|base64|plaintext|hash|hashed|encrypted|value|data|content|body"
)
# A token that is no secret: of a page, of a repeated request, of a sequence (AWS's APIs have some 1,200 of them).
_ORDINARY_TOKEN = re.compile(
    r"(?:next|previous|forward|backward|continuation|page|pagination|client|request|idempotency|checkpoint|sequence"
    r"|action|change|creation|purchase|max|min)token"
)
_SPLIT = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


# Ends of names of what is random and for everybody.
_PUBLIC_ENDS = re.compile(r"(?:sha|checksum|digest|md|etag|fingerprint|versionid|uploadid|marker|publickey|token)\Z")
_IDENTITY = re.compile(
    "name|id|arn|type|region|user|username|url|uri|host|version|from|status|date|expiration|expires|description|enabled"
)
"""Last words of what says which secret it is that a mapping holds, or how long."""


@lru_cache(maxsize=65_536)
def names_secret(name: str) -> bool:
    """Return whether what is called `name` (of any spelling: snake, kebab, camel) is a secret."""
    words = _words(name)
    while len(words) > 1 and (words[-1].isdigit() or _WHICH.fullmatch(words[-1])):
        words.pop()
    letters = _letters(words)
    # A program that sets passwords, and cloud-init's list of them, is none.
    if not letters or letters.endswith("chpasswd") or _ORDINARY_TOKEN.search(letters):
        return False
    return _ENDS.search(letters) is not None or words[-1] in _WORDS or letters in _WHOLE


@lru_cache(maxsize=65_536)
def names_public(name: str) -> bool:
    """Return whether what is called `name` looks like a random key and is none: a digest, a version, a page."""
    return _PUBLIC_ENDS.search(_letters(_words(name))) is not None and not names_secret(name)


def names_identity(name: str) -> bool:
    """Return whether `name`, of a property of what is called a secret, is that of something to tell it by."""
    return _IDENTITY.fullmatch((_words(name) or [""])[-1]) is not None


def _words(name: str) -> list[str]:
    return [word.lower() for word in _SPLIT.findall(name)]


def _letters(words: list[str]) -> str:
    return "".join(word for word in words if not word.isdigit())
