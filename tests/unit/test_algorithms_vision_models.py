"""Backbones and colours of the image algorithms (H15, H16, H17)."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
import torch

from sagewright_algorithms.vision import tensors
from sagewright_algorithms.vision.resnet import Classifier, ResNet, plan
from sagewright_algorithms.vision.vgg import ReducedVgg16


@pytest.mark.parametrize(
    ("layers", "height", "parameters"),
    [(18, 224, 11_689_512), (34, 224, 21_797_672), (50, 224, 25_557_032), (101, 224, 44_549_160), (152, 224, 60_192_808)],
)
def test_the_large_networks_have_the_usual_number_of_weights(layers: int, height: int, parameters: int) -> None:
    """He et al. 2015; pre-activation moves batch norms and convolves one shortcut more, which is a small difference."""
    with torch.device("meta"):
        model = Classifier(ResNet(plan(layers, height)), 1000)
    found = sum(weight.numel() for weight in model.parameters())
    assert found == pytest.approx(parameters, rel=0.01)


@pytest.mark.parametrize("layers", [20, 32, 44, 56, 110])
def test_the_small_networks_are_as_deep_as_they_say(layers: int) -> None:
    model = Classifier(ResNet(plan(layers, 28)), 10)
    weighted = [name for name, part in model.named_modules() if isinstance(part, torch.nn.Conv2d | torch.nn.Linear)]
    assert len([name for name in weighted if not name.endswith(".sc")]) == layers
    assert model(torch.zeros(2, 3, 28, 28)).shape == (2, 10)


def test_names_are_those_of_mxnet() -> None:
    names = set(ResNet(plan(50)).state_dict())
    assert {"bn_data.running_mean", "conv0.weight", "bn0.bias", "stage4_unit3.conv3.weight", "stage1_unit1.sc.weight"} <= names
    assert "stage1_unit2.sc.weight" not in names


def test_feature_maps_and_dilation() -> None:
    images = torch.zeros(1, 3, 64, 64)
    assert [list(map_.shape[1:]) for map_ in ResNet(plan(18)).features(images)] == [
        [64, 16, 16],
        [128, 8, 8],
        [256, 4, 4],
        [512, 2, 2],
    ]
    assert ResNet(plan(18), dilated=2)(images).shape == (1, 512, 8, 8)


def test_no_network_of_that_depth() -> None:
    with pytest.raises(ValueError, match="no residual network of 21 layers"):
        plan(21)


def test_the_reduced_vgg_gives_ssds_two_maps() -> None:
    with torch.device("meta"):
        maps = ReducedVgg16()(torch.zeros(1, 3, 300, 300))
    assert [tuple(map_.shape) for map_ in maps] == [(1, 512, 38, 38), (1, 1024, 19, 19)]


def test_colours_change_as_the_standard_library_computes_it() -> None:
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (1, 3, 4, 5)).astype(np.float32)
    changes = tensors.drawn_changes(random)
    found = tensors.jittered(torch.from_numpy(image), torch.tensor([changes]))
    for red, green, blue, *new in zip(*(plane.ravel() for plane in (*image[0], *found[0].numpy())), strict=True):
        hue, lightness, saturation = colorsys.rgb_to_hls(red / 255, green / 255, blue / 255)
        moved = (hue + changes[0] / 180, lightness + changes[2] / 255, saturation + changes[1] / 255)
        expected = colorsys.hls_to_rgb(*(min(1.0, max(0.0, float(value))) for value in moved))
        assert new == pytest.approx([255 * value for value in expected], abs=0.01)
    same = tensors.jittered(torch.from_numpy(image), torch.zeros(1, 3))
    assert torch.allclose(same, torch.from_numpy(image), atol=0.01)
