"""Small training jobs on generated data, and on two sets of scikit-learn's: kinds that the others lack."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lrsearch.objectives import TensorTask
from lrsearch.objectives.optimizer import DescribedOptimizer, described_optimizer
from lrsearch.objectives.recipe import Split

PLAIN = DescribedOptimizer("SGD", {})
MOMENTUM = DescribedOptimizer("SGD", {"momentum": 0.9})
ADAM = DescribedOptimizer("Adam", {})


def clusters_norm(data_dir: str) -> TensorTask:
    """Ten classes of three clusters each, an MLP with batch norm, Nesterov SGD, batches of 50, 15 epochs."""
    rng = np.random.default_rng(1)
    centers = 1.6 * rng.standard_normal((30, 16))
    kinds = rng.integers(30, size=2000)
    x = centers[kinds] + 1.3 * rng.standard_normal((2000, 16))

    def model() -> nn.Module:
        parts = [nn.Linear(16, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU()]
        return nn.Sequential(*parts, nn.Linear(64, 10))

    return _job("clusters-norm", model, described_optimizer("sgd", 5e-4), x, kinds % 10, 1000, 50, 15)


def spirals_wide(data_dir: str) -> TensorTask:
    """Three spirals with noise, a wide tanh layer, SGD without momentum, batches of 20, 25 epochs."""
    rng = np.random.default_rng(2)
    arm, along = rng.integers(3, size=1800), np.sqrt(rng.random(1800))
    angle = 2 * math.pi * arm / 3 + 5 * along + 0.25 * rng.standard_normal(1800)
    x = 2 * np.column_stack([along * np.cos(angle), along * np.sin(angle)])

    def model() -> nn.Module:
        return nn.Sequential(nn.Linear(2, 256), nn.Tanh(), nn.Linear(256, 32), nn.ReLU(), nn.Linear(32, 3))

    return _job("spirals-wide", model, PLAIN, x, arm, 800, 20, 25)


def friedman_sgd(data_dir: str) -> TensorTask:
    """Friedman's first regression, MLP, momentum SGD, batches of 40, 20 epochs."""
    return _job("friedman-sgd", lambda: _regressor(10, 64), MOMENTUM, *_friedman(), 800, 40, 20)


def friedman_adam(data_dir: str) -> TensorTask:
    """Friedman's first regression, a narrow MLP, Adam, batches of 20, 12 epochs."""
    return _job("friedman-adam", lambda: _regressor(10, 24), ADAM, *_friedman(), 800, 20, 12)


def shapes_cnn(data_dir: str) -> TensorTask:
    """Six shapes in noise, a CNN without batch norm, momentum SGD, batches of 32, 12 epochs."""
    rng = np.random.default_rng(3)
    kinds = rng.integers(6, size=1600)
    images = np.stack([_shape(k, rng) for k in kinds])[:, None] + 0.6 * rng.standard_normal((1600, 1, 12, 12))

    def model() -> nn.Module:
        parts = [
            nn.Conv2d(1, 8, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(8, 16, 3, stride=2, padding=1),
            nn.ReLU(),
        ]
        return nn.Sequential(*parts, nn.Flatten(), nn.Linear(144, 6))

    return _job("shapes-cnn", model, MOMENTUM, images, kinds, 800, 32, 12)


def clicks_logistic(data_dir: str) -> TensorTask:
    """Rare binary features and a weighted coin, logistic regression, SGD without momentum, batches of 64, 15 epochs."""
    rng = np.random.default_rng(4)
    x = (rng.random((4000, 60)) < rng.uniform(0.02, 0.3, 60)).astype(float)
    scores = x @ (1.5 * rng.standard_normal(60)) - 0.5
    clicked = (rng.random(4000) < 1 / (1 + np.exp(-scores))).astype(int)
    return _job("clicks-logistic", lambda: nn.Linear(60, 2), PLAIN, x, clicked, 2000, 64, 15)


def cancer_mlp(data_dir: str) -> TensorTask:
    """Tumours by thirty measures, MLP, SGD without momentum, batches of 16, 20 epochs."""
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer()
    x = (data.data - data.data.mean(0)) / data.data.std(0)
    order = np.random.default_rng(5).permutation(len(x))

    def model() -> nn.Module:
        return nn.Sequential(nn.Linear(30, 32), nn.ReLU(), nn.Linear(32, 2))

    return _job("cancer-mlp", model, PLAIN, x[order], data.target[order], 285, 16, 20)


def diabetes_sgd(data_dir: str) -> TensorTask:
    """A disease's progress by ten measures, a small MLP, momentum SGD, batches of 16, 20 epochs."""
    from sklearn.datasets import load_diabetes

    data = load_diabetes()
    x, y = data.data / data.data.std(0), (data.target - data.target.mean()) / data.target.std()
    order = np.random.default_rng(6).permutation(len(x))
    return _job("diabetes-sgd", lambda: _regressor(10, 32), MOMENTUM, x[order], y[order], 222, 16, 20)


def ratings_factors(data_dir: str) -> TensorTask:
    """Ratings of rank four with noise, factors of eight for users and items, momentum SGD, batches of 32, 20 epochs."""
    rng = np.random.default_rng(7)
    users, items = rng.integers(60, size=3000), rng.integers(40, size=3000)
    tastes, traits = rng.standard_normal((60, 4)), rng.standard_normal((40, 4))
    y = (tastes[users] * traits[items]).sum(1) / 2 + 0.3 * rng.standard_normal(3000)
    x = np.column_stack([np.eye(60)[users], np.eye(40)[items]])
    return _job("ratings-factors", Factors, MOMENTUM, x, y, 2000, 32, 20)


def sequences_gru(data_dir: str) -> TensorTask:
    """The last mark but one of twelve symbols, a tenth wrong, a recurrent network, Adam, batches of 40, 20 epochs."""
    rng = np.random.default_rng(8)
    symbols = rng.integers(6, size=(2000, 12))
    symbols[:, 0], symbols[:, 1] = rng.integers(3, size=(2, 2000))
    marks = np.array([row[row < 3][-2] for row in symbols])
    marks = np.where(rng.random(2000) < 0.1, rng.integers(3, size=2000), marks)
    return _job("sequences-gru", Recurrent, ADAM, np.eye(6)[symbols], marks, 1200, 40, 20)


def waves_autoencoder(data_dir: str) -> TensorTask:
    """Sums of two waves in noise through a bottleneck of six, AdamW, batches of 32, 15 epochs."""
    rng = np.random.default_rng(9)
    at, (a, b) = np.linspace(0, 1, 32), rng.uniform(0, 2 * math.pi, (2, 1600, 1))
    heights = rng.uniform(0.3, 1.5, (2, 1600, 1))
    waves = heights[0] * np.sin(2 * math.pi * at + a) + heights[1] * np.sin(6 * math.pi * at + b)
    x = waves + 0.3 * rng.standard_normal(waves.shape)

    def model() -> nn.Module:
        return nn.Sequential(
            nn.Linear(32, 48), nn.GELU(), nn.Linear(48, 6), nn.Linear(6, 48), nn.GELU(), nn.Linear(48, 32)
        )

    return _job("waves-autoencoder", model, described_optimizer("adamw", 1e-3), x, x, 800, 32, 15)


def templates_mlp(data_dir: str) -> TensorTask:
    """Smooth pictures of ten classes, shifted, in noise, a tenth of the labels wrong, MLP, Nesterov SGD, 100, 20."""
    rng = np.random.default_rng(10)
    templates = np.stack([_smooth(rng) for _ in range(20)])
    kinds = rng.integers(20, size=3000)
    moves = rng.integers(-2, 3, size=(3000, 2))
    images = np.stack([np.roll(templates[k], move, (0, 1)) for k, move in zip(kinds, moves, strict=True)])
    images = images * rng.uniform(0.5, 1.5, (3000, 1, 1)) + 0.5 * rng.standard_normal(images.shape)
    labels = np.where(rng.random(3000) < 0.1, rng.integers(10, size=3000), kinds % 10)

    def model() -> nn.Module:
        parts = [nn.Flatten(), nn.Linear(144, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU()]
        return nn.Sequential(*parts, nn.Linear(64, 10))

    return _job("templates-mlp", model, described_optimizer("sgd", 5e-4), images, labels, 2000, 100, 20)


def faint_momentum(data_dir: str) -> TensorTask:
    """A weak line in noise, few samples, an MLP that overfits soon, momentum SGD, batches of 10, 15 epochs."""
    rng = np.random.default_rng(11)
    x = rng.standard_normal((900, 12))
    y = 0.25 * (x @ rng.standard_normal(12)) + rng.standard_normal(900)
    return _job("faint-momentum", lambda: _regressor(12, 48), MOMENTUM, x, y, 300, 10, 15)


def coins_adam(data_dir: str) -> TensorTask:
    """Classes by a weak score, three labels of ten wrong, a wide MLP that overfits soon, Adam, batches of 10, 15."""
    rng = np.random.default_rng(12)
    x = rng.standard_normal((1200, 15))
    scores = np.column_stack([np.zeros(1200), x[:, :5].sum(1), x[:, 5:10] @ np.arange(5.0) / 3])
    classes = np.where(rng.random(1200) < 0.3, rng.integers(3, size=1200), scores.argmax(1))

    def model() -> nn.Module:
        return nn.Sequential(nn.Linear(15, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 3))

    return _job("coins-adam", model, ADAM, x, classes, 400, 10, 15)


GENERATED: dict[str, Callable[[str], TensorTask]] = {
    "clusters-norm": clusters_norm,
    "spirals-wide": spirals_wide,
    "friedman-sgd": friedman_sgd,
    "friedman-adam": friedman_adam,
    "shapes-cnn": shapes_cnn,
    "clicks-logistic": clicks_logistic,
    "cancer-mlp": cancer_mlp,
    "diabetes-sgd": diabetes_sgd,
    "ratings-factors": ratings_factors,
    "sequences-gru": sequences_gru,
    "waves-autoencoder": waves_autoencoder,
    "templates-mlp": templates_mlp,
    "faint-momentum": faint_momentum,
    "coins-adam": coins_adam,
}


class Factors(nn.Module):
    """Users and items ``(b, 100)``, one-hot side by side, to ratings ``(b, 1)``."""

    def __init__(self) -> None:
        super().__init__()
        self.users, self.items = nn.Linear(60, 8, bias=False), nn.Linear(40, 8, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        product: Tensor = self.users(x[:, :60]) * self.items(x[:, 60:])
        return product.sum(-1, keepdim=True)


class Recurrent(nn.Module):
    """Symbols ``(b, 12, 6)``, one-hot, through a minimal gated unit of 24 to logits ``(b, 3)``."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.new, self.head = nn.Linear(30, 24), nn.Linear(30, 24), nn.Linear(24, 3)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        state = torch.zeros_like(x[:, 0, :1]).expand(-1, 24)
        for symbol in x.unbind(1):
            gate = torch.sigmoid(self.gate(torch.cat([symbol, state], -1)))
            new = torch.tanh(self.new(torch.cat([symbol, gate * state], -1)))
            state = (1 - gate) * state + gate * new
        logits: Tensor = self.head(state)
        return logits


def _job(
    name: str, model: Callable[[], nn.Module], optimizer: Any, x: Any, y: Any, train: int, batch_size: int, epochs: int
) -> TensorTask:
    """A task: whole numbers are classes, others are regressed on; the first `train` samples train."""
    classes = y.dtype.kind == "i"
    targets = torch.from_numpy(y) if classes else torch.from_numpy(y.reshape(len(y), -1)).float()
    parts = [Split(torch.from_numpy(x[p]).float(), targets[p]) for p in (slice(train), slice(train, None))]
    loss = nn.functional.cross_entropy if classes else nn.functional.mse_loss
    (a, b), (c, d) = ((s.x, s.y) for s in parts)
    return TensorTask(model, optimizer, loss, (a, b), (c, d), batch_size=batch_size, epochs=epochs, name=name)


def _friedman() -> tuple[Any, Any]:
    from sklearn.datasets import make_friedman1

    x, y = make_friedman1(1600, noise=1.0, random_state=0)
    return (2 * x - 1) * 3**0.5, (y - y.mean()) / y.std()


def _regressor(inputs: int, width: int) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1))


def _shape(kind: int, rng: np.random.Generator) -> Any:
    """A disk, ring, square, cross, or horizontal or vertical bars, ``(12, 12)``, somewhere."""
    row, column = rng.uniform(4, 7, 2)
    size = rng.uniform(2.5, 4.5)
    down, right = np.mgrid[:12, :12] - np.array([row, column])[:, None, None]
    far, edge = np.hypot(down, right), np.maximum(abs(down), abs(right))
    inside = edge < size
    drawn = (
        far < size,
        abs(far - size) < 1,
        inside,
        inside & (np.minimum(abs(down), abs(right)) < 1),
        inside & (np.floor(down) % 3 == 0),
        inside & (np.floor(right) % 3 == 0),
    )
    return drawn[kind].astype(float)


def _smooth(rng: np.random.Generator) -> Any:
    """A picture without sharp edges, ``(12, 12)``, of unit variance."""
    rows, columns = np.mgrid[:12, :12] / 12
    waves = [
        rng.standard_normal() * np.cos(2 * math.pi * (a * rows + b * columns) + rng.uniform(0, 2 * math.pi))
        for a in range(3)
        for b in range(3)
        if a + b
    ]
    picture = np.sum(waves, axis=0)
    return (picture - picture.mean()) / picture.std()
