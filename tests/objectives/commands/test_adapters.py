"""Lightning's and transformers' Trainers in a command: the adapters find the trial by themselves."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from lrsearch.objectives import Command
from lrsearch.spaces import Schedule

pytestmark = pytest.mark.slow

RECORDED = str(Path(__file__).resolve().parents[2] / "recorded.py")
SCRIPTS = {
    "lightning": """
import lightning.pytorch as pl, torch
from torch.utils.data import DataLoader, TensorDataset
import lrsearch

class Line(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.line = torch.nn.Linear(4, 1)
    def training_step(self, batch, index):
        return self.line(batch[0]).square().mean()
    def validation_step(self, batch, index):
        self.log("val_loss", self.line(batch[0]).square().mean())
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=7.0)

data = DataLoader(TensorDataset(torch.randn(50, 4)), 10)
off = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
trainer = pl.Trainer(max_epochs=9, accelerator="cpu", callbacks=[lrsearch.LightningCallback()], **off)
trainer.fit(Line(), data, data)
""",
    "transformers": """
import tempfile, torch
from transformers import Trainer, TrainingArguments
import lrsearch

class Line(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.line = torch.nn.Linear(4, 1)
    def forward(self, x, labels):
        out = self.line(x)
        return {"loss": (out - labels).square().mean(), "logits": out}

data = [{"x": torch.randn(4), "labels": torch.ones(1)} for _ in range(50)]
with tempfile.TemporaryDirectory() as folder:
    arguments = TrainingArguments(
        folder, num_train_epochs=9, per_device_train_batch_size=10, use_cpu=True, report_to="none", save_strategy="no",
        dataloader_pin_memory=False,
    )
    lrsearch.attach(Trainer(Line(), arguments, train_dataset=data, eval_dataset=data)).train()
""",
}


@pytest.mark.parametrize("framework", SCRIPTS)
def test_a_script_with_an_adapter_is_a_command_that_follows_its_trial(framework: str, tmp_path: Path) -> None:
    pytest.importorskip(framework)
    script, file, schedule = tmp_path / "train.py", tmp_path / "rates", Schedule("cosine", 3e-3, 3, warmup=1)
    script.write_text(SCRIPTS[framework])
    command = Command([sys.executable, RECORDED, str(file), str(script)], "sgd", 3)
    measurements = list(command.run(schedule, epochs=3, seed=1, device="cpu"))
    assert [m.epoch for m in measurements] == [1, 2, 3]
    assert command.steps_per_epoch == 5
    rates = [float(line) for line in Path(f"{file}.0").read_text().split()]
    np.testing.assert_allclose(rates, schedule.curve(5), rtol=1e-12)
