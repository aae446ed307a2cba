"""A PyTorch Lightning training as an objective: Lightning owns the loop, so every epoch is reported, not yielded.

Run it with:  lrsearch run examples/train_lightning.py:objective --budget 20 --epochs 8
"""

from typing import Any

import lightning.pytorch as pl
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import lrsearch


class Digits(pl.LightningModule):
    """A small network for handwritten digits, with the scheduler of a trial."""

    def __init__(self, run: lrsearch.Run) -> None:
        super().__init__()
        self.run = run
        self.net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))

    def training_step(self, batch: Any, index: int) -> torch.Tensor:
        x, y = batch
        return nn.functional.cross_entropy(self.net(x), y)

    def validation_step(self, batch: Any, index: int) -> None:
        x, y = batch
        self.log("val_loss", nn.functional.cross_entropy(self.net(x), y))

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.AdamW(self.parameters())
        steps = self.trainer.estimated_stepping_batches / (self.trainer.max_epochs or 1)
        scheduler = self.run.scheduler(optimizer, steps)  # in the place of the module's own
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


class Report(pl.Callback):
    """Tells the search how every epoch went, and ends the training when it is told to."""

    def __init__(self, run: lrsearch.Run) -> None:
        self.run = run

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        trainer.should_stop = not self.run.report(trainer.current_epoch, val_loss=trainer.callback_metrics["val_loss"])


def objective(run: lrsearch.Run) -> None:
    images, labels = load_digits(return_X_y=True)
    x, y = torch.tensor(images).float() / 16, torch.tensor(labels)
    pl.seed_everything(run.seed, verbose=False)  # the same weights and batches in every trial
    train = DataLoader(TensorDataset(x[:1200], y[:1200]), batch_size=64, shuffle=True)
    val = DataLoader(TensorDataset(x[1200:1500], y[1200:1500]), batch_size=300)
    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    trainer = pl.Trainer(
        max_epochs=run.epochs, accelerator="cpu", num_sanity_val_steps=0, callbacks=[Report(run)], **quiet
    )
    trainer.fit(Digits(run), train, val)
