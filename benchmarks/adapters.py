"""What an adapter costs at every optimizer step, in the Trainers of Lightning and transformers.

    python benchmarks/adapters.py

CPU time of this process for a training of a linear model, which is nearly all the Trainers' own work; with and
without the adapter in turn.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from typing import Any

import torch

import lrsearch
from lrsearch.objectives import Run, UserObjective, train
from lrsearch.spaces import Schedule

Train = Callable[[int, Run | None], None]


class Rows(torch.utils.data.Dataset[dict[str, torch.Tensor]]):
    """As many equal rows as there are steps."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {"x": torch.ones(4), "labels": torch.ones(1)}


class Line(torch.nn.Module):
    """A linear model whose output has its loss."""

    def __init__(self) -> None:
        super().__init__()
        self.line = torch.nn.Linear(4, 1)

    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        """The loss, as transformers wants it."""
        out = self.line(x)
        return {"loss": (out - labels).square().mean(), "logits": out}


def with_lightning(steps: int, run: Run | None) -> None:
    """Train an epoch of so many steps."""
    import lightning.pytorch as pl

    class Module(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = Line()

        def training_step(self, batch: Any, index: int) -> Any:
            return self.model(**batch)["loss"]

        def configure_optimizers(self) -> Any:
            optimizer = torch.optim.SGD(self.parameters(), lr=0.01)
            own = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": own, "interval": "step"}}

        def on_train_epoch_start(self) -> None:
            self.log("val_loss", 0.0)

    off: dict[str, Any] = dict.fromkeys(
        ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False
    )
    callbacks: list[Any] = [lrsearch.LightningCallback(run)] if run else []
    trainer = pl.Trainer(max_epochs=1, accelerator="cpu", callbacks=callbacks, **off)
    trainer.fit(Module(), torch.utils.data.DataLoader(Rows(steps)))


def with_transformers(steps: int, run: Run | None) -> None:
    """Train an epoch of so many steps."""
    from transformers import Trainer, TrainingArguments

    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder, num_train_epochs=1, per_device_train_batch_size=1, save_strategy="no", report_to="none",
            disable_tqdm=True, use_cpu=True, optim="sgd", lr_scheduler_type="cosine", logging_strategy="no",
            dataloader_pin_memory=False,
        )  # fmt: skip
        trainer = Trainer(Line(), arguments, train_dataset=Rows(steps), eval_dataset=Rows(1))
        (lrsearch.attach(trainer, run) if run else trainer).train()


def seconds(job: Train, steps: int, adapted: bool) -> float:
    """CPU time of a training, start and end included."""
    begun = time.process_time()
    if adapted:
        schedule = Schedule("cosine", 0.01, 1)
        objective = UserObjective(lambda run: job(steps, run), "sgd", epochs=1)
        train(objective, schedule, lambda _: True, epochs=1, seed=0, device="cpu")
    else:
        job(steps, None)
    return time.process_time() - begun


def measure(job: Train, steps: int, times: int) -> tuple[float, float, list[float]]:
    """Microseconds per step without the adapter, with it, and the differences of neighbouring trainings."""
    seconds(job, 50, True)
    pairs = []
    for i in range(times):
        both = {adapted: seconds(job, steps, adapted) for adapted in ((False, True) if i % 2 else (True, False))}
        pairs.append((both[False] / steps * 1e6, both[True] / steps * 1e6))
    return (
        statistics.median(a for a, _ in pairs),
        statistics.median(b for _, b in pairs),
        [b - a for a, b in pairs],
    )


def main() -> None:
    """Print a line for each Trainer."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--times", type=int, default=9)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    for job in (with_lightning, with_transformers):
        own, adapted, differences = measure(job, given.steps, given.times)
        spread = f"{min(differences):+.0f} to {max(differences):+.0f}"
        print(
            f"{job.__name__}: {own:.0f} us a step, {adapted:.0f} with the adapter; difference "
            f"{statistics.median(differences):+.0f} ({spread}), n = {given.times} of {given.steps} steps"
        )


if __name__ == "__main__":
    main()
