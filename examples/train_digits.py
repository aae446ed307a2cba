"""Your own training job as an objective: an ordinary PyTorch loop that yields its losses after every epoch.

Run it with:  lrsearch run examples/train_digits.py:objective --budget 20 --epochs 8
"""

from collections.abc import Iterator

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import lrsearch


def objective(run: lrsearch.Run) -> Iterator[dict[str, float]]:
    images, labels = load_digits(return_X_y=True)
    x, y = torch.tensor(images).float().view(-1, 1, 8, 8) / 16, torch.tensor(labels)
    torch.manual_seed(run.seed)  # the same weights and batches in every trial: only the schedule differs
    train = DataLoader(TensorDataset(x[:1200], y[:1200]), batch_size=64, shuffle=True)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(256, 10)
    ).to(run.device)
    optimizer = torch.optim.AdamW(model.parameters())
    scheduler = run.scheduler(optimizer, steps_per_epoch=len(train))

    for epoch in range(run.epochs):
        model.train()
        total = 0.0
        for inputs, targets in train:
            loss = nn.functional.cross_entropy(model(inputs.to(run.device)), targets.to(run.device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()  # after optimizer.step()
            total += loss.item()
        model.eval()
        with torch.no_grad():
            logits = model(x[1200:].to(run.device)).cpu()
        val, test = slice(0, 300), slice(300, None)
        metrics = {
            "train_loss": total / len(train),
            "val_loss": nn.functional.cross_entropy(logits[val], y[1200:][val]).item(),
            "val_accuracy": (logits.argmax(1) == y[1200:])[val].float().mean().item(),
        }
        if run.test and epoch == run.epochs - 1:  # judges the winner; the search never sees it
            metrics["test_loss"] = nn.functional.cross_entropy(logits[test], y[1200:][test]).item()
        yield metrics
