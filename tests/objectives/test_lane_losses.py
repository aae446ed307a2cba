"""The form of a loss that lanes compute equals PyTorch's."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.func import vmap
from torch.nn import functional

from lrsearch.objectives.lanes.losses import IGNORED, cross_entropy, lane_loss


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 3), (6, 5, 2, 3)])
@pytest.mark.parametrize("ignored", [0, 2])
def test_cross_entropy_is_that_of_torch_and_so_is_its_gradient(shape: tuple[int, ...], ignored: int) -> None:
    outputs = torch.randn(shape, requires_grad=True)
    y = torch.randint(5, (shape[0], *shape[2:]))
    y[:ignored] = IGNORED
    ours, torchs = cross_entropy(outputs, y), functional.cross_entropy(outputs, y)
    torch.testing.assert_close(ours, torchs)
    torch.testing.assert_close(torch.autograd.grad(ours, outputs), torch.autograd.grad(torchs, outputs))


def test_it_has_a_batched_form_and_knows_probabilities() -> None:
    outputs, y, shares = torch.randn(4, 6, 5), torch.randint(5, (6,)), torch.rand(6, 5)

    def both(targets: Tensor) -> tuple[Tensor, Tensor]:
        one = torch.stack([functional.cross_entropy(lane, targets) for lane in outputs])
        return vmap(cross_entropy, in_dims=(0, None))(outputs, targets), one

    torch.testing.assert_close(*both(y))
    torch.testing.assert_close(*both(shares))


def test_if_every_label_is_left_out_the_mean_is_not_a_number() -> None:
    assert cross_entropy(torch.randn(3, 5), torch.full((3,), IGNORED)).isnan()


def test_a_label_that_is_none_is_refused() -> None:
    with pytest.raises((IndexError, RuntimeError)):
        cross_entropy(torch.randn(3, 5), torch.tensor([0, 5, 1]))


def test_other_losses_stay_as_they_are() -> None:
    assert lane_loss(functional.mse_loss) is functional.mse_loss
    assert lane_loss(functional.cross_entropy) is cross_entropy
