"""Passwords in storage URLs: found, and kept out of everything that is shown or stored."""

from __future__ import annotations

import re
from urllib.parse import quote, quote_plus, unquote, unquote_plus

HIDDEN = "***"
# Up to the last @, since a password may hold one; hiding too much is better than too little.
_AUTHORITY = re.compile(r"(?<=://)([^:/@\s]*):(\S*)@")
_QUERY = re.compile(r"(?i)([?&;][^=&;\s]*(?:pass|pwd|token|secret|key|auth)[^=&;\s]*=)([^&;\s'\"]+)")


def redact(text: str) -> str:
    """The text with the passwords of the URLs in it hidden, also those in query strings."""
    return _AUTHORITY.sub(rf"\1:{HIDDEN}@", _QUERY.sub(rf"\1{HIDDEN}", text))


def scrub(text: str, url: str) -> str:
    """A message about `url` without its passwords, however they are written there."""
    for secret in sorted(_secrets(url), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return redact(text)


def _secrets(url: str) -> set[str]:
    parts = (_AUTHORITY, url.partition("?")[0]), (_QUERY, url)
    found = [match[2] for pattern, part in parts for match in pattern.finditer(part)]
    plain = {way(secret) for secret in found for way in (unquote, unquote_plus)}
    return {*found, *plain, *(way(secret) for secret in plain for way in (quote, quote_plus))} - {""}


def ambiguous(url: str) -> bool:
    """Whether the password holds an @ as it is, so that drivers take the rest of it for a host, and say so."""
    return re.match(r"[^?]*?://[^:/@]*:[^?]*@[^?]*@", url) is not None
