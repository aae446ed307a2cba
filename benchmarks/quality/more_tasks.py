"""Further small training jobs: plain SGD, wrong labels, regression, other batch sizes, other horizons, other models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from lrsearch.objectives import TaskOptions, TensorTask, get_task
from lrsearch.objectives.optimizer import DescribedOptimizer, described_optimizer
from lrsearch.objectives.recipe import Split, correct

LETTERS_BEFORE = 8


def digits_adamw(data_dir: str) -> TensorTask:
    """Digits, a narrow MLP, AdamW, batches of 16, 6 epochs."""
    return classify("digits-adamw", lambda: _mlp(64, 32, 1), "adamw", *_digits(), 16, 6)


def digits_plain_sgd(data_dir: str) -> TensorTask:
    """Digits, a deep MLP, SGD without momentum, batches of 32, 16 epochs."""
    return classify("digits-plain-sgd", lambda: _mlp(64, 32, 4), "plain", *_digits(), 32, 16)


def digits_noisy(data_dir: str) -> TensorTask:
    """Digits, three labels of ten wrong, a wide MLP that learns them by heart, momentum SGD, batches of 32, 20."""
    train, val = _digits()
    rng = np.random.default_rng(0)
    wrong = torch.from_numpy(rng.random(len(train.y)) < 0.3)
    labels = torch.where(wrong, torch.from_numpy(rng.integers(10, size=len(train.y))), train.y)
    return classify("digits-noisy", lambda: _mlp(64, 256, 2), "sgd", Split(train.x, labels), val, 32, 20)


def mnist1d_mlp(data_dir: str) -> TensorTask:
    """1,000 curves of MNIST-1D, MLP, momentum SGD, batches of 50, 15 epochs."""
    return classify("mnist1d-mlp", get_task("mnist1d").models["mlp"], "sgd", *_mnist1d(), 50, 15)


def mnist1d_cnn(data_dir: str) -> TensorTask:
    """1,000 curves of MNIST-1D, a CNN with batch norm, AdamW, batches of 50, 10 epochs."""
    return classify("mnist1d-cnn", _cnn, "adamw", *_mnist1d(), 50, 10)


def teacher(data_dir: str) -> TensorTask:
    """Regression on a random network's outputs and noise, MLP, AdamW, batches of 32, 24 epochs."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1600, 20))
    y = np.tanh(x @ rng.standard_normal((20, 12)) / 4) @ rng.standard_normal(12) / 2 + 0.3 * rng.standard_normal(1600)
    inputs, targets = torch.from_numpy(x).float(), torch.from_numpy(y).float()[:, None]
    return TensorTask(
        lambda: nn.Sequential(nn.Linear(20, 64), nn.Tanh(), nn.Linear(64, 1)),
        described_optimizer("adamw", 0.01),
        nn.functional.mse_loss,
        (inputs[:800], targets[:800]),
        (inputs[800:], targets[800:]),
        batch_size=32,
        epochs=24,
        name="teacher",
    )


def text_mlp(data_dir: str) -> TensorTask:
    """Next character after eight of them, MLP, momentum SGD, batches of 64, 12 epochs."""
    from sklearn import datasets

    words = (Path(datasets.__file__).parent / "descr" / "california_housing.rst").read_text().lower()
    words = "".join(c for c in words if c.isascii())
    letters = sorted(set(words))
    codes = torch.tensor([letters.index(c) for c in words])
    rows = codes.unfold(0, LETTERS_BEFORE + 1, 1)
    rows = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))]
    x = nn.functional.one_hot(rows[:, :-1], len(letters)).float()
    train, val = (Split(x[a:b], rows[a:b, -1]) for a, b in ((0, 1280), (1280, 1900)))
    inputs, outputs = LETTERS_BEFORE * len(letters), len(letters)

    def model() -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(inputs, 64), nn.GELU(), nn.Linear(64, outputs))

    return classify("text-mlp", model, "sgd", train, val, 64, 12)


MORE: dict[str, Callable[[str], TensorTask]] = {
    "digits-adamw": digits_adamw,
    "digits-plain-sgd": digits_plain_sgd,
    "digits-noisy": digits_noisy,
    "mnist1d-mlp": mnist1d_mlp,
    "mnist1d-cnn": mnist1d_cnn,
    "teacher": teacher,
    "text-mlp": text_mlp,
}


def classify(
    name: str, model: Callable[[], nn.Module], optimizer: str, train: Split, val: Split, batch_size: int, epochs: int
) -> TensorTask:
    """A task that classifies; `optimizer` is "sgd" (with momentum), "plain" (without) or "adamw"."""
    plain = DescribedOptimizer("SGD", {"weight_decay": 5e-4})
    return TensorTask(
        model,
        plain if optimizer == "plain" else described_optimizer(optimizer, 5e-4),
        nn.functional.cross_entropy,
        (train.x, train.y),
        (val.x, val.y),
        batch_size=batch_size,
        metrics={"val_accuracy": correct},
        epochs=epochs,
        name=name,
    )


def _digits() -> tuple[Any, Any]:
    data = get_task("digits-plain").load(TaskOptions())
    return data.train, data.val


def _mnist1d() -> tuple[Split, Split]:
    data = get_task("mnist1d").load(TaskOptions(subset=1000))
    return data.train, Split(data.val.x[:1000], data.val.y[:1000])


def _mlp(inputs: int, width: int, hidden: int) -> nn.Module:
    layers: list[nn.Module] = [nn.Flatten(), nn.Linear(inputs, width), nn.ReLU()]
    for _ in range(hidden - 1):
        layers += [nn.Linear(width, width), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(width, 10))


def _cnn() -> nn.Module:
    def block(inputs: int, outputs: int) -> list[nn.Module]:
        conv = nn.Conv1d(inputs, outputs, 3, stride=2, padding=1, bias=False)
        return [conv, nn.BatchNorm1d(outputs), nn.ReLU()]

    return nn.Sequential(*block(1, 8), *block(8, 16), *block(16, 16), nn.Flatten(), nn.Linear(80, 10))
