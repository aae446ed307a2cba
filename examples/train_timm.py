"""A training with timm's parts (model, layer-wise rates, Mixup, EMA) and a loop like that of its train.py.

Run it with:  lrsearch run examples/train_timm.py:objective --budget 20 --epochs 8
"""

from collections.abc import Iterator

import timm
import torch
from sklearn.datasets import load_digits
from timm.data import Mixup
from timm.loss import SoftTargetCrossEntropy
from timm.optim import create_optimizer_v2
from timm.utils import ModelEmaV3, random_seed
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

import lrsearch


def objective(run: lrsearch.Run) -> Iterator[dict[str, float]]:
    images, labels = load_digits(return_X_y=True)
    x, y = torch.tensor(images).float().view(-1, 1, 8, 8) / 16, torch.tensor(labels)
    random_seed(run.seed)  # the same weights and batches in every trial
    train = DataLoader(TensorDataset(x[:1200], y[:1200]), batch_size=100, shuffle=True)
    x_val, y_val = x[1200:1500].to(run.device), y[1200:1500].to(run.device)

    model = timm.create_model("test_vit", img_size=8, patch_size=2, in_chans=1, num_classes=10).to(run.device)
    average = ModelEmaV3(model, decay=0.98)
    mixup, loss_fn = Mixup(mixup_alpha=0.2, num_classes=10), SoftTargetCrossEntropy()
    optimizer = create_optimizer_v2(model, opt="adamw", lr=1e-3, weight_decay=0.05, layer_decay=0.75)
    scheduler = run.scheduler(optimizer, len(train))  # in the place of create_scheduler_v2
    for _ in range(run.epochs):
        model.train()
        for images, labels in train:
            mixed, targets = mixup(images.to(run.device), labels.to(run.device))
            optimizer.zero_grad()
            loss_fn(model(mixed), targets).backward()
            optimizer.step()
            average.update(model)
            scheduler.step()  # in the place of step_update; there is no step at the end of an epoch
        average.module.eval()
        with torch.no_grad():
            out = average.module(x_val)
        accuracy = (out.argmax(1) == y_val).float().mean()
        yield {"val_loss": cross_entropy(out, y_val).item(), "val_accuracy": accuracy.item()}
