"""What is secret in texts, arguments and the environment: found, and kept out of all that is shown or stored."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

HIDDEN = "***"
# Up to the last @, since a password may hold one; hiding too much is better than too little.
AUTHORITY = re.compile(r"(?<=://)([^:/@\s]*):(\S*)@")
QUERY = re.compile(r"(?i)([?&;][^=&;\s]*(?:pass|pwd|token|secret|key|auth)[^=&;\s]*=)([^&;\s'\"]+)")
_SECRET = {
    *("password", "passwd", "passphrase", "passwort", "pass", "pwd", "secret", "secrets", "token", "credential"),
    *("credentials", "apikey", "apitoken", "auth", "authorization", "bearer"),
}
_KEYS = {"api", "access", "secret", "private", "auth", "license", "account", "wandb", "encryption", "ssh"}
"""Before the word key, these make it a secret one; a sort key is none."""
_NAMED = re.compile(r"(?P<dashes>-*)(?P<name>[A-Za-z][\w.\-]*)(?:(?P<sign>[=:])(?P<value>.+))?", re.DOTALL)
_KNOWN = re.compile(
    r"\b(?:hf_[A-Za-z0-9]{16,}|gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}|sk-[\w-]{16,}"
    r"|xox[abprs]-[\w-]{10,}|A[KS]IA[A-Z0-9]{12,}|AIza[\w-]{30,}|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)"
)
"""What tokens of well-known services look like."""
_SHORTEST = 4
"""Characters of a secret that is looked for in output; a shorter one would be found by chance."""


def redact(text: str) -> str:
    """The text with the passwords of the URLs in it hidden, also those in query strings, and well-known tokens."""
    return _KNOWN.sub(HIDDEN, AUTHORITY.sub(rf"\1:{HIDDEN}@", QUERY.sub(rf"\1{HIDDEN}", text)))


def redact_words(words: Sequence[str]) -> list[str]:
    """A command's words with what is secret hidden: ``--password X``, ``--api-key=X``, ``TOKEN=X``, and as `redact`.

    A number is no secret, unless it is called a password: ``--max-token 512``.
    """
    return [shown for shown, _ in _read(words)]


def secrets_in(words: Sequence[str], environment: Mapping[str, str]) -> set[str]:
    """The secret values of a command's words and of environment variables with such names."""
    named = (value for name, value in environment.items() if _is_secret(name, value))
    return {s for s in (*(secret for _, secret in _read(words)), *named) if len(s) >= _SHORTEST}


def hide(text: str, secrets: Iterable[str]) -> str:
    """The text without these secrets, and as `redact`."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return redact(text)


def _read(words: Sequence[str]) -> list[tuple[str, str]]:
    """Each word as it may be shown, and what is secret in it, if anything."""
    shown: list[tuple[str, str]] = []
    before = ""
    for word in words:
        named = _NAMED.fullmatch(word)
        if before and not word.startswith("-") and _is_secret(before, word):
            shown.append((HIDDEN, word))
        elif named and named["value"] and _is_secret(named["name"], named["value"]):
            shown.append((f"{named['dashes']}{named['name']}{named['sign']}{HIDDEN}", named["value"]))
        else:
            shown.append((redact(word), ""))
        before = named["name"] if named and named["dashes"] and not named["value"] else ""
    return shown


def _is_secret(name: str, value: str) -> bool:
    words = [w.lower() for w in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)]
    keys = any(word in ("key", "keys") and i and words[i - 1] in _KEYS for i, word in enumerate(words))
    if not (keys or _SECRET.intersection(words)):
        return False
    return bool(value) and (not _is_number(value) or bool({"password", "passwd", "pass", "pwd"}.intersection(words)))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text.lower() in ("true", "false", "none", "yes", "no") or text.startswith("{")
    return True
