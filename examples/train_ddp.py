"""Several processes that train together, started by torchrun; the first one's report counts.

lrsearch run --budget 12 --epochs 4 -- torchrun --nproc-per-node 2 examples/train_ddp.py --epochs {epochs} --seed {seed}
"""

import argparse

import torch
import torch.distributed as dist
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

import lrsearch


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    dist.init_process_group("gloo")  # "nccl" on GPUs
    torch.manual_seed(args.seed)

    images, labels = load_digits(return_X_y=True)
    x, y = torch.tensor(images).float() / 16, torch.tensor(labels)
    data = TensorDataset(x[:1400], y[:1400])
    sampler = DistributedSampler(data, seed=args.seed)
    loader = DataLoader(data, batch_size=50, sampler=sampler)
    model = DistributedDataParallel(nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10)))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    scheduler = lrsearch.scheduler(optimizer, len(loader), "cosine:base_lr=0.1,epochs=4", epochs=args.epochs)

    for epoch in range(args.epochs):
        sampler.set_epoch(epoch)
        for inputs, targets in loader:
            loss = nn.functional.cross_entropy(model(inputs), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
        with torch.no_grad():
            val_loss = nn.functional.cross_entropy(model.module(x[1400:]), y[1400:])
        lrsearch.report(val_loss=val_loss)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
