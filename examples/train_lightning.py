"""A PyTorch Lightning training as an objective: a callback puts the trial's scheduler in, and reports every epoch.

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
    """A small network for handwritten digits, which knows nothing of the search."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))

    def training_step(self, batch: Any, index: int) -> torch.Tensor:
        x, y = batch
        return nn.functional.cross_entropy(self.net(x), y)

    def validation_step(self, batch: Any, index: int) -> None:
        x, y = batch
        self.log("val_loss", nn.functional.cross_entropy(self.net(x), y))

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.AdamW(self.parameters())
        scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)  # the trial's takes its place
        return [optimizer], [scheduler]


def objective(run: lrsearch.Run) -> None:
    images, labels = load_digits(return_X_y=True)
    x, y = torch.tensor(images).float() / 16, torch.tensor(labels)
    pl.seed_everything(run.seed, verbose=False)  # the same weights and batches in every trial
    train = DataLoader(TensorDataset(x[:1200], y[:1200]), batch_size=64, shuffle=True)
    val = DataLoader(TensorDataset(x[1200:1500], y[1200:1500]), batch_size=300)
    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    callbacks = [lrsearch.LightningCallback(run)]
    pl.Trainer(max_epochs=run.epochs, accelerator="cpu", callbacks=callbacks, **quiet).fit(Digits(), train, val)
