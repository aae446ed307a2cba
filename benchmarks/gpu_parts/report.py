"""The results as Markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]
SPEED = """Epochs a second are those of all lanes together over the whole data; a lane's epoch is one trial's. TFLOP/s
and GB/s are what the device achieved; memory traffic is counted as if every operation read and wrote its tensors. Three
costs are compared: launching every operation, that traffic, the arithmetic. `bound` is the one that takes longest when
alone, `explains` its share of the time; the rest is Python, and what the device does below its best.

"""


def markdown(parts: Mapping[str, Mapping[str, Any]]) -> str:
    """All parts that there are.

    Args:
        parts: By name: ``rows``, ``state`` and ``seconds``.
    """
    shown = [
        "# lrsearch on a device",
        "",
        _machine(parts),
        "",
        _table(["part", "state", "s"], [[n, p["state"], _number(p["seconds"], 0)] for n, p in parts.items()]),
    ]
    rows = {name: part["rows"] for name, part in parts.items()}
    for title, draw, given in (
        ("Checks", _checks, [*rows.get("tests", []), *rows.get("checks", [])]),
        ("Speed", _speeds, [*rows.get("speed", []), *rows.get("compile", [])]),
        ("Whole searches", _searches, [r for n, rs in rows.items() if n.startswith("search") for r in rs]),
    ):
        if given:
            shown += ["", f"## {title}", "", draw(given)]
    return "\n".join(shown) + "\n"


def _machine(parts: Mapping[str, Mapping[str, Any]]) -> str:
    rows = parts.get("machine", {}).get("rows", [])
    if not rows:
        return "The machine could not be measured."
    row = rows[0]
    card = row["card"]
    name = f"{row['name']}, {row['memory'] / 2**30:.0f} GiB, CUDA {row['cuda']}" if "name" in row else row["device"]
    return (
        f"{name}, torch {row['torch']}. Measured here: {card['fp32'] / 1e12:.2f} TFLOP/s in fp32, "
        f"{card['bf16'] / 1e12:.2f} in bf16, {card['bandwidth'] / 1e9:.0f} GB/s read and written, "
        f"{card['launch'] * 1e6:.1f} us a launch."
    )


def _checks(rows: Sequence[Row]) -> str:
    states = [row["state"] for row in rows]
    counts = ", ".join(f"{states.count(s)} {s}" for s in dict.fromkeys(states))
    cells = [[row["check"], row["state"], row["found"]] for row in rows]
    return f"{counts}.\n\n" + _table(["check", "state", "found"], cells)


def _speeds(rows: Sequence[Row]) -> str:
    head = ["job", "precision", "way", "lanes", "epochs/s", "x plain", "TFLOP/s", "GB/s", "bound", "explains", "note"]
    return SPEED + _table(head, [_speed(row) for row in rows])


def _speed(row: Row) -> list[str]:
    notes = [row["left_out"]] if "left_out" in row else []
    if row.get("fit", row["lanes"]) < row["lanes"]:
        notes.append(f"memory for {row['fit']} at once")
    if "over_eager" in row:
        said = f"{row['over_eager']:.2f} x eager, first epoch {row['first_epoch_s']:.0f} s"
        notes.append(f"{said}, losses {row['apart']:.0e} apart")
    bound = row.get("bound", "")
    return [
        f"{row['job']} ({row['data']} data)",
        row["precision"],
        row["way"],
        str(row["lanes"] or ""),
        _number(row.get("epochs_per_s"), 2),
        _number(row.get("times"), 2),
        _number(row.get("flops_per_s", math.nan) / 1e12, 3),
        _number(row.get("bytes_per_s", math.nan) / 1e9, 1),
        bound,
        f"{row[bound + '_share']:.0%}" if bound else "",
        "; ".join(notes),
    ]


def _searches(rows: Sequence[Row]) -> str:
    head = ["job", "who", "trials", "epochs", "s", "trials/min", "best", "fresh", "busy", "card used", "engine"]
    searches = [row for row in rows if "trials" in row]
    said = [_said(row) for row in rows if "until" in row or "times" in row]
    return _table(head, [_search(row) for row in searches]) + "\n\n" + "\n".join(said)


def _search(row: Row) -> list[str]:
    return [
        f"{row['job']} ({row['samples']} {row['data']} samples, {row['precision']})",
        row["who"],
        f"{row['trials']} ({row['complete']} whole)",
        str(row["epochs"]),
        _number(row["seconds"], 1),
        _number(row["trials_per_minute"], 0),
        _number(row["best"], 4),
        _number(row["fresh"], 4),
        f"{row['busy']:.0%}" if "busy" in row else "",
        f"{row['gpu_used']:.0%}" if row.get("gpu_used") is not None else "",
        row.get("engine", ""),
    ]


def _said(row: Row) -> str:
    if "times" in row:
        verdict = "met" if row["times"] >= row["aim"] else "missed"
        return (
            f"- {row['job']}: lrsearch ends {row['times']:.1f} times the plain script's trials a minute "
            f"(aim on a GPU: {row['aim']}, {verdict})."
        )
    until = row["until"]
    if until is None:
        return f"- {row['job']}: {row['why']}."
    return f"- {row['job']}: that quality on fresh seeds after {until:.1f} s, {row['times_sooner']:.1f} times sooner."


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([c.replace("|", "/") for c in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _number(value: float | None, digits: int) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.{digits}f}"
