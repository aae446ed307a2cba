"""A training by transformers' Trainer as an objective: the trial's scheduler is put in, and evaluations are reported.

Run it with:  lrsearch run examples/train_transformers.py:objective --budget 20 --epochs 8
"""

import tempfile
from typing import Any

import torch
from sklearn.datasets import load_digits
from torch.utils.data import Dataset
from transformers import Trainer, TrainingArguments, ViTConfig, ViTForImageClassification, set_seed

import lrsearch


class Digits(Dataset[dict[str, Any]]):
    """Some of the handwritten digits, as a vision transformer wants them."""

    def __init__(self, part: slice) -> None:
        images, labels = load_digits(return_X_y=True)
        self.x, self.y = torch.tensor(images[part]).float().view(-1, 1, 8, 8) / 16, labels[part]

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"pixel_values": self.x[index], "labels": int(self.y[index])}


def objective(run: lrsearch.Run) -> None:
    set_seed(run.seed)  # the same weights and batches in every trial
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    model = ViTForImageClassification(ViTConfig(image_size=8, patch_size=2, num_channels=1, num_labels=10, **size))
    train, val = Digits(slice(0, 1200)), Digits(slice(1200, 1500))
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            num_train_epochs=run.epochs,
            per_device_train_batch_size=64,
            per_device_eval_batch_size=300,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=True,
            dataloader_pin_memory=False,
            seed=run.seed,
        )
        lrsearch.attach(Trainer(model, arguments, train_dataset=train, eval_dataset=val), run).train()
