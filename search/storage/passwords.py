"""Passwords in storage URLs: kept out of everything that is shown or stored."""

from __future__ import annotations

import re
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from ...redaction import AUTHORITY, HIDDEN, QUERY, redact

__all__ = ["HIDDEN", "ambiguous", "redact", "scrub"]


def scrub(text: str, url: str) -> str:
    """A message about `url` without its passwords, however they are written there."""
    for secret in sorted(_secrets(url), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return redact(text)


def _secrets(url: str) -> set[str]:
    parts = (AUTHORITY, url.partition("?")[0]), (QUERY, url)
    written = [match[2] for pattern, part in parts for match in pattern.finditer(part)]
    plain = {way(secret) for secret in written for way in (unquote, unquote_plus)}
    return {*written, *plain, *(way(secret) for secret in plain for way in (quote, quote_plus))} - {""}


def ambiguous(url: str) -> bool:
    """Whether the password holds an @ as it is, so that drivers take the rest of it for a host, and say so."""
    return re.match(r"[^?]*?://[^:/@]*:[^?]*@[^?]*@", url) is not None
