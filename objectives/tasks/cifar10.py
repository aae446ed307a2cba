"""CIFAR-10 (Krizhevsky 2009) with a ResNet-18 (He et al. 2016, arXiv:1512.03385) for small images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...options import TaskOptions
from ..task import Task

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..recipe import Splits

# Per-channel mean and standard deviation of the 50,000 training images, pixels in [0, 1].
MEAN, STD = [0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616]
PAD = 4


def _load(options: TaskOptions) -> Splits:
    import torch

    from ..data import images_to_tensor, torchvision_dataset, with_test
    from ..recipe import Split

    train, test = (torchvision_dataset("CIFAR10", options, train=part) for part in (True, False))
    x, x_test = (images_to_tensor(torch.from_numpy(part.data), MEAN, STD) for part in (train, test))
    y, y_test = (torch.tensor(part.targets) for part in (train, test))
    return with_test(x, y, Split(x_test, y_test), min(5_000, len(y) // 10), options.subset)


def crop_and_flip(x: Tensor, generator: Any) -> Tensor:
    """A random 4-pixel shift and a random mirror image for each sample of ``(b, 3, h, w)``, on its device."""
    from ..augment import mirrored, shifted

    return mirrored(shifted(x, PAD, generator), generator)


def _resnet18() -> nn.Module:
    from torch import nn
    from torchvision.models import resnet18

    model: nn.Module = resnet18(num_classes=10)
    model.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    model.maxpool = nn.Identity()
    return model


TASK = Task(
    name="cifar10",
    summary="32x32 photos (45,000 training images), ResNet-18 with a 3x3 stem, random crop and flip; wants a GPU",
    epochs=15,
    classes=10,
    models={"resnet18": _resnet18},
    load=_load,
    batch_size=128,
    weight_decay=5e-4,
    augment=crop_and_flip,
)
