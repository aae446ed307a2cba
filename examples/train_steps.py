"""A script without epochs, in the manner of nanoGPT: it counts iterations and evaluates now and then.

lrsearch run --steps 200 --every 50 --budget 12 -- \
    python examples/train_steps.py --max_iters {steps} --eval_interval {every} --seed {seed}
"""

import argparse

import torch
from torch import Tensor, nn

import lrsearch

TEXT = " ".join(f"{a} and {b} make {a + b}." for a in range(40) for b in range(40))
BLOCK = 32


class Model(nn.Module):
    """A character model of one layer of attention."""

    def __init__(self, vocabulary: int, width: int = 32) -> None:
        super().__init__()
        self.letters, self.places = nn.Embedding(vocabulary, width), nn.Embedding(BLOCK, width)
        self.block = nn.TransformerEncoderLayer(width, 2, 4 * width, dropout=0.0, batch_first=True, norm_first=True)
        self.head = nn.Linear(width, vocabulary)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        hidden = self.letters(x) + self.places(torch.arange(x.shape[1]))
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        logits = self.head(self.block(hidden, src_mask=mask, is_causal=True))
        return nn.functional.cross_entropy(logits.flatten(0, 1), y.flatten())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--max_iters", type=int, default=200)
    parser.add_argument("--eval_interval", type=int, default=50)
    parser.add_argument("--batch_size", type=int, default=16)
    parser.add_argument("--seed", type=int, default=1337)
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    letters = sorted(set(TEXT))
    data = torch.tensor([letters.index(c) for c in TEXT])
    train, val = data[: int(0.9 * len(data))], data[int(0.9 * len(data)) :]

    def batch(split: Tensor) -> tuple[Tensor, Tensor]:
        at = torch.randint(len(split) - BLOCK - 1, (args.batch_size,))
        rows = torch.stack([split[i : i + BLOCK + 1] for i in at])
        return rows[:, :-1], rows[:, 1:]

    model = Model(len(letters))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95))
    scheduler = lrsearch.scheduler(optimizer, schedule="cosine:base_lr=1e-3,epochs=1", steps_per_epoch=args.max_iters)

    for step in range(1, args.max_iters + 1):
        loss = model(*batch(train))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        if step % args.eval_interval == 0:
            with torch.no_grad():
                val_loss = torch.stack([model(*batch(val)) for _ in range(8)]).mean()
            print(f"step {step}: train loss {loss:.4f}, val loss {val_loss:.4f}")
            lrsearch.report(train_loss=loss, val_loss=val_loss)


if __name__ == "__main__":
    main()
