"""The shape of one input of each built-in task."""

from __future__ import annotations

from lrsearch.objectives.tasks.text import ALPHABET, CONTEXT

SHAPES = {
    "cifar10": (3, 32, 32),
    "digits": (64,),
    "digits-plain": (64,),
    "fashion-mnist": (1, 28, 28),
    "mnist1d": (1, 40),
    "text": (CONTEXT, len(ALPHABET)),
}
