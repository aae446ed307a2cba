"""Numbers for people."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...spaces import brief


def num(value: float | None) -> str:
    """A number for people: four significant digits, a dash for none."""
    if (special := _special(value)) is not None or value is None:
        return special or "–"
    return _exponent(f"{value:.4g}")


def cell(value: float | None) -> str:
    """A measured value in a column: four significant digits with their zeros, a dash for none."""
    if (special := _special(value)) is not None or value is None:
        return special or "–"
    return _exponent(f"{value:#.4g}".rstrip("."))


def param(value: float) -> str:
    """A parameter: four significant digits, more of a large length and of a factor next to 1."""
    return num(value) if (shown := brief(value)) == f"{value:.4g}" else shown


def rate(value: float) -> str:
    """A learning rate in a sentence: two digits, as more of them would claim to matter."""
    return _exponent(f"{value:.2g}")


def together(*values: float, apart: float = 0.0) -> tuple[str, ...]:
    """Values that stand in one sentence, with one number of decimals: three digits of the largest.

    Args:
        values: The values; one that is not finite stands as such.
        apart: A difference between them that has to be seen.
    """
    finite = [v for v in (*values, apart) if math.isfinite(v)]
    if len(finite) <= len(values):
        return tuple(num(v) for v in values)
    largest = max(map(abs, values), default=0.0)
    decimals = max(_decimals(largest, 3), _decimals(apart, 1) if apart else 0)
    if decimals > 12 or largest >= 1e6:
        return tuple(num(v) for v in values)
    return tuple(f"{v:.{decimals}f}" for v in values)


def two_digits(value: float, *, signed: bool = False) -> str:
    """A rough number, such as a percentage: two digits, never an exponent; ``+`` where wanted."""
    sign = "+" if signed else ""
    if not math.isfinite(value):
        return _special(value) or ""
    decimals = min(_decimals(value, 2), 12)
    text = f"{value:{sign}.{decimals}f}"
    return "0" if not float(text) else text


def plural(n: int, word: str) -> str:
    """``1 trial``, ``2 trials``."""
    return f"{n:,} {word}{'' if n == 1 else 's'}"


def listed(parts: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))


def _decimals(value: float, digits: int) -> int:
    """How many decimals show so many significant digits."""
    return max(0, digits - 1 - math.floor(math.log10(abs(value)))) if value else 0


def _special(value: float | None) -> str | None:
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return None


def _exponent(text: str) -> str:
    return text.replace("e-0", "e-").replace("e+0", "e+")
