"""A training job of plain tensors: lrsearch trains many of its trials at once, as lanes of one batched model.

Run it with:  lrsearch run examples/tensor_task.py:objective --budget 30
"""

import torch
from sklearn.datasets import load_digits
from torch import nn

import lrsearch

images, labels = load_digits(return_X_y=True)
x, y = torch.tensor(images).float() / 16, torch.tensor(labels)

objective = lrsearch.TensorTask(
    name="digits-tensors",
    model=lambda: nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10)),
    optimizer=lambda model: torch.optim.SGD(model.parameters(), momentum=0.9),
    loss=nn.functional.cross_entropy,
    train=(x[:1400], y[:1400]),
    val=(x[1400:], y[1400:]),
    batch_size=64,
    metrics={"val_accuracy": lambda logits, y: logits.argmax(-1) == y},
)
