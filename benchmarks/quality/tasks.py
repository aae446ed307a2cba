"""Small training jobs that differ: data, model, optimizer, batch norm, overfitting."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lrsearch.families import choose_families
from lrsearch.objectives import TaskOptions, TensorTask, get_task
from lrsearch.objectives.optimizer import described_optimizer
from lrsearch.objectives.recipe import Split
from lrsearch.spaces import DEFAULT_FAMILIES, ScheduleSpace, default_space

from .generated_tasks import GENERATED
from .more_tasks import MORE, classify
from .tuned_tasks import fine_tune

TRAIN, VAL = 1_000, 1_000
CONTEXT, WIDTH, HEADS = 16, 32, 4


def digits(data_dir: str) -> TensorTask:
    """The built-in task digits-plain: MLP, momentum SGD, 12 epochs."""
    task = get_task("digits-plain")
    data = task.load(TaskOptions())
    return classify("digits-mlp", task.models["mlp"], "sgd", data.train, data.val, 64, 12)


def fashion_sgd(data_dir: str) -> TensorTask:
    """2,000 Fashion-MNIST images at half size, MLP, momentum SGD, 20 epochs."""
    train, val = _fashion(data_dir, 2 * TRAIN)
    return classify("fashion-mlp", lambda: _mlp(196, 64), "sgd", train, val, 100, 20)


def fashion_overfit(data_dir: str) -> TensorTask:
    """1,000 Fashion-MNIST images at half size, a wide MLP that overfits, AdamW, 15 epochs."""
    train, val = _fashion(data_dir, TRAIN)
    return classify("fashion-overfit", lambda: _mlp(196, 128), "adamw", train, val, 50, 15)


def fashion_cnn(data_dir: str) -> TensorTask:
    """1,000 Fashion-MNIST images at half size, a CNN with batch norm, momentum SGD, 8 epochs."""
    train, val = _fashion(data_dir, TRAIN)
    return classify("fashion-cnn", _cnn, "sgd", train, val, 50, 8)


def text(data_dir: str) -> TensorTask:
    """Next character of scikit-learn's dataset descriptions, a transformer of one block, AdamW, 8 epochs."""
    letters, rows = _text()
    rows = _mixed(rows)
    train, val = _next_letters(rows[:480]), _next_letters(rows[480:800])
    return TensorTask(
        lambda: Transformer(letters),
        described_optimizer("adamw", 0.01),
        _letter_loss,
        (train.x, train.y),
        (val.x, val.y),
        batch_size=16,
        epochs=8,
        name="text-transformer",
    )


def fashion_tuned(data_dir: str) -> TensorTask:
    """An MLP trained on 4,000 Fashion-MNIST images, fine-tuned on 300 that stand on their heads, AdamW, 6 epochs."""
    train, val = _fashion(data_dir, 5 * TRAIN)
    before = Split(train.x[:4000], train.y[:4000])
    mirrored = Split(train.x[4000:4300].flip(-2), train.y[4000:4300]), Split(val.x.flip(-2), val.y)
    return fine_tune(
        "fashion-tuned", lambda: _mlp(196, 128), nn.functional.cross_entropy, before, 8, mirrored, "adamw", 20, 6
    )


def text_tuned(data_dir: str) -> TensorTask:
    """The transformer trained on half of the texts, fine-tuned on a little of the other half, AdamW, 4 epochs."""
    letters, rows = _text()
    rows, other = rows[: len(rows) // 2], rows[len(rows) // 2 :]
    rows, other = _mixed(rows), _mixed(other)
    data = _next_letters(other[:400]), _next_letters(other[400:1000])
    model = partial(Transformer, letters)
    return fine_tune("text-tuned", model, _letter_loss, _next_letters(rows[:3000]), 8, data, "adamw", 16, 4)


def fashion_newhead(data_dir: str) -> TensorTask:
    """The CNN trained on five kinds of clothes, fine-tuned with a new last layer on the five others, SGD, 8 epochs."""
    train, val = _fashion(data_dir, 5 * TRAIN)
    before, later, judged = (
        Split(s.x[keep], s.y[keep]) for s, keep in ((train, train.y < 5), (train, train.y >= 5), (val, val.y >= 5))
    )
    data = Split(later.x[:400], later.y[:400]), judged
    return fine_tune("fashion-newhead", _cnn, nn.functional.cross_entropy, before, 4, data, "sgd", 20, 8, new_head=True)


def digits_tuned(data_dir: str) -> TensorTask:
    """The digits MLP trained on 800, fine-tuned on 200 noisy ones, momentum SGD, 10 epochs."""
    task = get_task("digits-plain")
    data = task.load(TaskOptions())
    noise = torch.Generator().manual_seed(0)
    train, val = data.train, data.val
    noisy = [x + 0.8 * x.std() * torch.randn(x.shape, generator=noise) for x in (train.x, val.x)]
    before = Split(train.x[:800], train.y[:800])
    later = Split(noisy[0][800:1000], train.y[800:1000]), Split(noisy[1], val.y)
    return fine_tune("digits-tuned", task.models["mlp"], nn.functional.cross_entropy, before, 15, later, "sgd", 20, 10)


TASKS: dict[str, Callable[[str], TensorTask]] = {
    "digits-mlp": digits,
    "fashion-mlp": fashion_sgd,
    "fashion-overfit": fashion_overfit,
    "fashion-cnn": fashion_cnn,
    "text-transformer": text,
    **MORE,
    **GENERATED,
    "fashion-tuned": fashion_tuned,
    "fashion-newhead": fashion_newhead,
    "text-tuned": text_tuned,
    "digits-tuned": digits_tuned,
}
ONE_BY_ONE = ("fashion-cnn",)
"""Tasks that train faster alone than in lanes, on a CPU."""


@lru_cache(maxsize=2)
def get(name: str, data_dir: str) -> TensorTask:
    return TASKS[name](data_dir)


def space_of(task: TensorTask, families: str = "") -> ScheduleSpace:
    """The task's default space, of other families if some are named, as for ``--families``."""
    chosen = choose_families(families.split(",")) if families else DEFAULT_FAMILIES
    return default_space(task.optimizer, task.epochs, chosen)


class Block(nn.Module):
    """Causal self-attention and an MLP, normalised before each."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.mlp = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))
        self.register_buffer("mask", torch.full((CONTEXT, CONTEXT), -1e9).triu(1))

    def forward(self, x: Tensor) -> Tensor:
        """``(b, CONTEXT, WIDTH)`` to the same shape."""
        q, k, v = self.qkv(self.norm1(x)).unflatten(-1, (3, HEADS, -1)).movedim(-3, 0).transpose(-3, -2)
        weights = (q @ k.transpose(-1, -2) * (WIDTH // HEADS) ** -0.5 + self.mask).softmax(-1)
        x = x + self.out((weights @ v).transpose(-3, -2).flatten(-2))
        done: Tensor = x + self.mlp(self.norm2(x))
        return done


class Transformer(nn.Module):
    """Characters ``(b, CONTEXT)`` to logits ``(b, CONTEXT, letters)``."""

    def __init__(self, letters: int) -> None:
        super().__init__()
        self.embed = nn.Linear(letters, WIDTH, bias=False)
        self.place = nn.Parameter(0.02 * torch.randn(CONTEXT, WIDTH))
        self.blocks = nn.Sequential(Block())
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, letters)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        # A product with one-hot rows: the gradient of an embedding has no batched form for lanes.
        hot = nn.functional.one_hot(x, self.embed.in_features).to(self.place.dtype)
        logits: Tensor = self.head(self.norm(self.blocks(self.embed(hot) + self.place)))
        return logits


def _text() -> tuple[int, Tensor]:
    """How many letters there are, and scikit-learn's dataset descriptions in rows of one more than a context."""
    from sklearn import datasets

    folder = Path(datasets.__file__).parent / "descr"
    words = "\n".join(p.read_text() for p in sorted(folder.glob("*.rst")))
    words = "".join(c for c in words.lower() if c.isascii())
    letters = sorted(set(words))
    codes = torch.tensor([letters.index(c) for c in words])
    return len(letters), codes[: len(codes) // (CONTEXT + 1) * (CONTEXT + 1)].view(-1, CONTEXT + 1)


def _mixed(rows: Tensor) -> Tensor:
    return rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))]


def _next_letters(rows: Tensor) -> Split:
    return Split(rows[:, :-1].contiguous(), rows[:, 1:].contiguous())


def _letter_loss(logits: Tensor, y: Tensor) -> Tensor:
    return nn.functional.cross_entropy(logits.flatten(0, 1), y.flatten())


def _fashion(data_dir: str, samples: int) -> tuple[Any, Any]:
    data = get_task("fashion-mnist").load(TaskOptions(data_dir=data_dir))
    halve = nn.AvgPool2d(2)
    train, val = (Split(halve(s.x[:n]), s.y[:n]) for s, n in ((data.train, samples), (data.val, VAL)))
    return train, val


def _mlp(inputs: int, width: int) -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 10)
    )


def _cnn() -> nn.Module:
    def block(inputs: int, outputs: int) -> list[nn.Module]:
        conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        return [conv, nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(2)]

    return nn.Sequential(*block(1, 6), *block(6, 12), nn.Flatten(), nn.Linear(108, 10))
