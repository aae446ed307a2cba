"""Fashion-MNIST (Xiao et al. 2017, arXiv:1708.07747): 60,000 + 10,000 clothes of 28 x 28 pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...options import TaskOptions
from ..task import Task

if TYPE_CHECKING:
    from torch import nn

    from ..recipe import Splits

# Mean and standard deviation of the 60,000 training images, pixels in [0, 1].
MEAN, STD = [0.2860], [0.3530]


def _load(options: TaskOptions) -> Splits:
    from ..data import images_to_tensor, torchvision_dataset, with_test
    from ..recipe import Split

    train, test = (torchvision_dataset("FashionMNIST", options, train=part) for part in (True, False))
    x, x_test = (images_to_tensor(part.data, MEAN, STD) for part in (train, test))
    held_out = min(10_000, len(x) // 6)
    return with_test(x, train.targets, Split(x_test, test.targets), held_out, options.subset)


def _mlp() -> nn.Module:
    from torch import nn

    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10)
    )


def _cnn() -> nn.Module:
    from torch import nn

    def block(inputs: int, outputs: int) -> list[nn.Module]:
        conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        return [conv, nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(2)]

    return nn.Sequential(*block(1, 16), *block(16, 32), *block(32, 64), nn.Flatten(), nn.Linear(576, 10))


TASK = Task(
    name="fashion-mnist",
    summary="28x28 clothes (50,000 training images); --model mlp (784-256-128-10) or cnn (3 conv, batch norm)",
    epochs=10,
    classes=10,
    models={"mlp": _mlp, "cnn": _cnn},
    load=_load,
    batch_size=128,
    weight_decay=5e-4,
)
