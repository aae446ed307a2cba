"""What ``lrsearch families`` says of a family."""

from __future__ import annotations

from ...spaces import DEFAULT_FAMILIES, Choice, Param, Schedule, get_family
from .braille import sparkline

WIDTH = 24
"""Characters of a sparkline."""


def family_lines(name: str) -> list[str]:
    """The family's name, curve, formula, source, users and parameters, a line each."""
    family = get_family(name)
    schedule = Schedule(name, 1.0, 10, warmup=0 if family.rises else 1)
    marks = [*(["searched by default"] if name in DEFAULT_FAMILIES else []), *(f"in {s}" for s in family.sets)]
    said = f"  ({'; '.join(marks)})" if marks else ""
    lines = [
        f"{sparkline(schedule.curve(20), WIDTH)}  {name}{said}",
        f"  {family.summary}",
        f"  source: {family.reference}",
        *([f"  used by: {family.used_by}"] if family.used_by else []),
    ]
    for p in family.params:
        lines.append(f"    {p.name:<16} {_parameter(p)}")
    return [*lines, ""]


def _parameter(p: Param) -> str:
    names = f": {', '.join(p.valid.options)}" if isinstance(p.valid, Choice) else ""
    usual = p.usual(1.0)
    held = f" ({usual if isinstance(usual, str) else f'{usual:g}'} unless searched or given)" if p.opt_in else ""
    return f"{p.summary}{names}{held}"
