"""The data that the built-in tasks make or carry, and how they change them while training."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lrsearch.errors import DataError
from lrsearch.objectives import TASKS, TaskObjective, get_task
from lrsearch.objectives.tasks import mnist1d, text
from lrsearch.objectives.tasks.digits import MEAN, shift


def test_trials_of_digits_before_and_after_the_shifts_are_never_mixed() -> None:
    before = {"objective": "digits", "model": "mlp", "optimizer": "sgd", "batch_size": 64, "subset": 0, "bf16": False}
    plain = TaskObjective(get_task("digits-plain"))
    assert TaskObjective(get_task("digits")).settings() == before | {"task_revision": 2}
    assert plain.settings() == before | {"objective": "digits-plain"}
    assert plain.recipe().augment is None


def test_settings_name_the_optimizer_that_a_task_takes_by_default() -> None:
    assert {name: TaskObjective(task).settings()["optimizer"] for name, task in TASKS.items()} == {
        name: "adamw" if name == "text" else "sgd" for name in TASKS
    }


def test_a_shift_moves_a_digit_by_at_most_a_pixel_and_fills_with_background() -> None:
    image = torch.arange(64.0)
    grid = torch.full((10, 10), -MEAN)
    grid[1:9, 1:9] = image.view(8, 8)
    expected = {tuple(grid[r : r + 8, c : c + 8].flatten().tolist()) for r in range(3) for c in range(3)}
    shifted = shift(image.repeat(200, 1), torch.Generator().manual_seed(0))
    assert {tuple(row.tolist()) for row in shifted} == expected


def test_other_text_than_measured_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "SHA256", "0" * 64)
    with pytest.raises(DataError, match=r"other names .*SHA-256 03ce3aea, not 00000000"):
        text.names()


def test_every_character_of_the_text_task_follows_its_context_and_no_name_is_in_two_splits() -> None:
    lines = text.names()
    data = TaskObjective(get_task("text")).data()
    assert [len(s.y) for s in (data.train, data.val, data.test)] == [16_384, 4_096, 4_096]
    whole = []
    for split in (data.train, data.val, data.test):
        codes = torch.cat([split.x.argmax(-1), split.y[:, None]], 1)
        windows = ["".join(text.ALPHABET[c] for c in row) for row in codes.tolist()]
        assert all(any(part in line for line in lines) for window in windows[:20] for part in window.split("\n"))
        whole.append({part for window in windows for part in window.split("\n")[1:-1]} & set(lines))
    assert all(whole)
    assert not whole[0] & whole[1]
    assert not whole[0] & whole[2]


def test_a_curve_without_noise_is_the_papers_template_interpolated(monkeypatch: pytest.MonkeyPatch) -> None:
    still = {"PADDING": (48, 48), "SHIFTS": 1, "SCALE": 0.0, "SLOPE": 0.0, "BACKGROUND": 0.0, "NOISE": 0.0}
    for name, value in still.items():
        monkeypatch.setattr(mnist1d, name, value)
    curves, digits = mnist1d.generate(20, np.random.default_rng(0))
    for curve, digit in zip(curves, digits, strict=True):
        template = mnist1d.CURVES[digit]
        places = np.linspace(0, 59, 72)
        drawn = np.interp(places, np.arange(12), template, right=template[-1])
        fine = np.interp(np.linspace(0, 71, 40), np.arange(72), drawn)
        assert np.corrcoef(curve, fine)[0, 1] == pytest.approx(1, abs=1e-9)


def test_generated_curves_are_standardised_balanced_and_the_same_everywhere() -> None:
    data = TaskObjective(get_task("mnist1d")).data()
    x, y = (torch.cat([getattr(s, part) for s in (data.train, data.val, data.test)]) for part in ("x", "y"))
    assert x.shape == (8_000, 1, 40)
    assert y.bincount().tolist() == [800] * 10
    assert x.mean().item() == pytest.approx(0, abs=1e-4)
    assert x.std().item() == pytest.approx(1, abs=1e-4)
    assert data.train.y[:6].tolist() == [0, 9, 5, 9, 3, 1]
    assert data.train.x[0, 0, :3].tolist() == pytest.approx([1.1216, 1.0079, 0.7358], abs=1e-3)
