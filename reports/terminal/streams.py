"""Standard output for JSON alone, whatever a training job prints."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TextIO


@contextmanager
def stdout_for_json() -> Iterator[TextIO]:
    """Standard output as it was; meanwhile all that print, programs that were started too, write to standard error."""
    real = sys.stdout
    real.flush()
    try:
        number, errors = real.fileno(), sys.stderr.fileno()
    except (OSError, ValueError):  # a notebook's, or a test's
        with redirect_stdout(sys.stderr):
            yield real
        return
    saved = os.dup(number)
    os.dup2(errors, number)
    try:
        with os.fdopen(os.dup(saved), "w", encoding="utf-8") as out, redirect_stdout(sys.stderr):
            yield out
    finally:
        os.dup2(saved, number)
        os.close(saved)
