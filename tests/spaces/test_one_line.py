"""A schedule in one line, and in a file: what is understood, and what is said of the rest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lrsearch.errors import InputError
from lrsearch.planning import make_baseline
from lrsearch.spaces import Schedule, ScheduleSpace

SPACE = ScheduleSpace(horizon=20, interval="epoch")


@pytest.mark.parametrize(
    ("line", "schedule"),
    [
        ("cosine:base_lr=0.1", Schedule("cosine", 0.1, 20, interval="epoch")),
        (
            "cosine:base_lr=3e-4, warmup=2, warmup_start=0, warmup_shape=cosine, T_max=10",
            Schedule("cosine", 3e-4, 20, {"T_max": 10.0}, 2.0, 0.0, "epoch", "cosine"),
        ),
        (
            "wsd:base_lr=0.1,shape=1-sqrt,cooldown=4,epochs=90",
            Schedule("wsd", 0.1, 90.0, {"shape": "1-sqrt", "cooldown": 4.0}, interval="epoch"),
        ),
    ],
)
def test_a_line_is_a_schedule_of_the_searchs_length_and_interval(line: str, schedule: Schedule) -> None:
    assert make_baseline(line, SPACE) == schedule


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("cosin:base_lr=0.1", r"unknown family 'cosin'\. Did you mean 'cosine'"),
        ("cosine:", r"needs base_lr: write FAMILY:base_lr=RATE\[,NAME=VALUE \.\.\.\], as cosine:base_lr=0\.1"),
        ("cosine:T_max=3", "needs base_lr"),
        (
            "cosine:base_lr=0.1,gamma=3",
            r"'gamma=3' is not NAME=VALUE with one of base_lr, warmup, .*T_max, eta_min, after",
        ),
        ("cosine:base_lr=0.1,base_lr=0.2", "each once"),
        ("cosine:base_lr", "'base_lr' is not NAME=VALUE"),
        ("cosine:base_lr=high", "base_lr must be a number .* got 'high'"),
        ("cosine:base_lr=0.1,warmup=20", "shorter than the horizon of 20 epochs"),
    ],
)
def test_a_line_that_is_none_is_explained(line: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        make_baseline(line, SPACE)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", r"mine\.json' is not JSON"),
        ("[]", r"mine\.json' holds no schedule"),
        ('{"family": "cosine"}', r"mine\.json' is no schedule: base_lr and horizon are missing"),
        (
            '{"family": "cosine", "base_lr": 0.1, "horizon": 5, "lr": 3}',
            r"mine\.json' is no schedule: unknown key 'lr'",
        ),
        ('{"family": "cosine", "base_lr": -1, "horizon": 5}', r"mine\.json': base_lr must be a number"),
        ('{"family": "cosine", "base_lr": 0.1, "horizon": 5, "params": 3}', r"mine\.json' is no schedule: .*params"),
    ],
)
def test_a_file_that_is_no_schedule_is_named_with_the_remedy(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(text)
    with pytest.raises(InputError, match=says) as caught:
        make_baseline(str(path), SPACE)
    assert "cosine:base_lr=0.1" in str(caught.value) or "base_lr must" in str(caught.value)


def test_a_file_with_the_bare_facts_and_a_schedule_itself_are_taken_as_they_are(tmp_path: Path) -> None:
    own = Schedule("step", 0.1, 90, {"step_size": 30.0, "gamma": 0.1})
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(own.to_dict()))
    assert make_baseline(path, SPACE) == make_baseline(own, SPACE) == own
    assert make_baseline(None, SPACE) is None
    with pytest.raises(
        InputError, match=r"nothing\.json' cannot be read.* or write it in a line, as cosine:base_lr=0\.1"
    ):
        make_baseline("nothing.json", SPACE)
