"""An ordinary training script: argparse, a DataLoader, mixed precision, validation. Two lines are lrsearch's.

python examples/train_script.py                                        as ever, with its own scheduler
lrsearch run --budget 20 --epochs 8 -- python examples/train_script.py --epochs {epochs} --seed {seed}
LRSEARCH_SCHEDULE=runs/train_script/best.json python examples/train_script.py --epochs 8
"""

import argparse

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, TensorDataset

import lrsearch


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    half = torch.float16 if device == "cuda" else torch.bfloat16

    images, labels = load_digits(return_X_y=True)
    data = TensorDataset(torch.tensor(images).float().view(-1, 1, 8, 8) / 16, torch.tensor(labels))
    train, val = torch.utils.data.random_split(data, [1400, len(data) - 1400], torch.Generator().manual_seed(0))
    train_loader = DataLoader(train, args.batch_size, shuffle=True)
    val_loader = DataLoader(val, 256)

    model = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(1024, 10)).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    scaler = torch.amp.GradScaler(device, enabled=half is torch.float16)
    scheduler = lrsearch.scheduler(optimizer, len(train_loader), fallback=lambda o: StepLR(o, 3 * len(train_loader)))

    for epoch in range(args.epochs):
        model.train()
        for inputs, targets in train_loader:
            with torch.autocast(device, half):
                loss = nn.functional.cross_entropy(model(inputs.to(device)), targets.to(device))
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            scheduler.step()
        model.eval()
        wrong, total = 0.0, 0.0
        with torch.no_grad(), torch.autocast(device, half):
            for inputs, targets in val_loader:
                logits = model(inputs.to(device)).float().cpu()
                total += nn.functional.cross_entropy(logits, targets, reduction="sum").item()
                wrong += (logits.argmax(1) != targets).sum().item()
        print(f"epoch {epoch + 1}: val_loss {total / len(val):.4f}, wrong {wrong / len(val):.2%}")
        lrsearch.report(val_loss=total / len(val), val_accuracy=1 - wrong / len(val))


if __name__ == "__main__":
    main()
