"""Code for PyTorch Lightning: what ``configure_optimizers`` returns."""

from __future__ import annotations

from ._optimizer import constants, optimizer_call
from ._python import title
from ._source import Format, Source, no_curve, only_one
from ._torch import make_builder

_WITH_STEPS = '''
def with_scheduler(
    optimizer: Optimizer,
    trainer: Trainer,
    steps_per_epoch: int | None = None,
) -> dict[str, object]:
    """What `configure_optimizers` returns."""
    if steps_per_epoch is None:
        steps = trainer.estimated_stepping_batches / (trainer.max_epochs or -1)
        if steps < 1 or not steps.is_integer():
            raise ValueError(f"pass steps_per_epoch: the trainer expects {steps} steps")
        steps_per_epoch = int(steps)
    scheduler = build_scheduler(optimizer, steps_per_epoch)
    return {
        "optimizer": optimizer,
        "lr_scheduler": {"scheduler": scheduler, "interval": "INTERVAL"},
    }
'''

_WITHOUT_STEPS = '''
def with_scheduler(
    optimizer: Optimizer,
    trainer: Trainer,
    steps_per_epoch: int | None = None,
) -> dict[str, object]:
    """What `configure_optimizers` returns; this schedule needs the optimizer alone."""
    scheduler = build_scheduler(optimizer)
    return {
        "optimizer": optimizer,
        "lr_scheduler": {"scheduler": scheduler, "interval": "INTERVAL"},
    }
'''


def render(source: Source) -> str:
    """The file."""
    no_curve(source, "Lightning")
    only_one(source, "Lightning's own loop steps")
    builder = make_builder(source.schedule, source.steps_per_epoch, grouped=source.grouped)
    doc = f'"""{title(source, "for PyTorch Lightning")}\n\n{_usage(source)}\n"""'
    function = (_WITH_STEPS if builder.uses_steps else _WITHOUT_STEPS).replace("INTERVAL", source.schedule.interval)
    return (
        f"{doc}\n\n{builder.first}from lightning.pytorch import Trainer\n{builder.imports}\n\n{constants(source)}\n\n\n"
        f"{builder.text}\n\n{function}"
    )


def _usage(source: Source) -> str:
    return f"""Lightning steps the scheduler itself. In your LightningModule:

    def configure_optimizers(self):
        optimizer = {optimizer_call(source, "self.parameters()")}
        return with_scheduler(optimizer, self.trainer)"""


FORMAT = Format("lightning", "what configure_optimizers of a LightningModule returns", ".py", render)
