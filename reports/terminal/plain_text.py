"""Text from elsewhere, made harmless for a terminal."""

from __future__ import annotations

KEPT = "\n\N{NO-BREAK SPACE}"


def plain(text: object) -> str:
    """Text without control characters: an escape code in a study's name must not reach the terminal."""
    return "".join(c if c.isprintable() or c in KEPT else "\N{REPLACEMENT CHARACTER}" for c in str(text))
