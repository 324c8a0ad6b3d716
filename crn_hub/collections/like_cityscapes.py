"""Collections of streets whose label maps have the classes of Cityscapes.

    KITTI semantics (Alhaija et al., IJCV 2018; README of its development kit): raw ids
        ROOT/training/image_2/FRAME.png, ROOT/training/semantic/FRAME.png, ROOT/testing/image_2/FRAME.png
        (the README calls the last one test, the archive, from memory, testing)
    BDD100K, semantic segmentation (Yu et al., CVPR 2020; its documentation, "Data Download" and "License"): train ids
        ROOT/images/10k/{train,val,test}/FRAME.jpg, ROOT/labels/sem_seg/masks/{train,val}/FRAME.png
    Playing for Data, GTA5 (Richter et al., ECCV 2016): colours of Cityscapes in a palette
        ROOT/images/NUMBER.png, ROOT/labels/NUMBER.png, ROOT/split.mat

The licences of KITTI and GTA5 and the variables in split.mat are stated from memory. In KITTI and BDD100K the labels of
the test split are withheld.
"""

from pathlib import Path

import numpy as np
from scipy.io import loadmat

from crn_hub.classes import LABEL_IDS, ClassSet
from crn_hub.collections.listing import Listing, Terms, list_same_names
from crn_hub.data_options import LabelOptions
from crn_hub.text import clause

KITTI = Terms(
    "KITTI semantics",
    "cc-by-nc-sa-3.0",
    "KITTI: Hassan Abu Alhaija, Siva Karthik Mustikovela, Lars Mescheder, Andreas Geiger, Carsten Rother. Augmented "
    "reality meets computer vision: Efficient data generation for urban driving scenes. IJCV 2018.",
    address="http://www.cvlibs.net/datasets/kitti/",
)
BDD100K = Terms(
    "BDD100K",
    "bdd100k",
    "BDD100K: Fisher Yu, Haofeng Chen, Xin Wang, Wenqi Xian, Yingying Chen, Fangchen Liu, Vashisht Madhavan, Trevor "
    "Darrell. BDD100K: A diverse driving dataset for heterogeneous multitask learning. CVPR 2020.",
    address="https://doc.bdd100k.com/license.html",
    condition="Copyright ©2018 The Regents of the University of California. Education, research and other purposes "
    "without profit are allowed; whoever passes the data on adds the copyright notice and the three paragraphs of the "
    "licence.",
)
GTA5 = Terms(
    "Playing for Data (GTA5)",
    "playing-for-data",
    "Playing for Data: Stephan R. Richter, Vibhav Vineet, Stefan Roth, Vladlen Koltun. Playing for data: Ground truth "
    "from computer games. ECCV 2016.",
    may_be_published=False,
    address="https://download.visinf.tu-darmstadt.de/data/from_games/",
)
RAW_IDS = LabelOptions(layout_classes=LABEL_IDS)
GTA5_SPLITS = {"train": "trainIds", "validation": "valIds", "test": "testIds"}  # ours -> that of split.mat


def list_kitti(root: Path, with_test: bool = True) -> Listing:
    """
    Args:
        root: the folder with training and testing (or test).
        with_test: keep the photographs of the test split as rows without labels.

    Raises:
        FileNotFoundError: if there is no photograph with a label map.
    """
    pairs = {"train": (root / "training" / "image_2", root / "training" / "semantic")}
    testing = next((folder for name in ("testing", "test") if (folder := root / name / "image_2").is_dir()), None)
    withheld = {"test": testing} if with_test and testing is not None else {}
    return list_same_names(root, KITTI, pairs, withheld, "png", ClassSet.cityscapes(), RAW_IDS)


def list_bdd100k(root: Path, with_test: bool = True) -> Listing:
    """
    Args:
        root: the folder with images and labels.
        with_test: keep the photographs of the test split as rows without labels.

    Raises:
        FileNotFoundError: if there is no photograph with a label map.
    """
    images, masks = root / "images" / "10k", root / "labels" / "sem_seg" / "masks"
    pairs = {split: (images / folder, masks / folder) for split, folder in (("train", "train"), ("validation", "val"))}
    withheld = {"test": images / "test"} if with_test else {}
    return list_same_names(root, BDD100K, pairs, withheld, "jpg", ClassSet.cityscapes(), LabelOptions())


def list_gta5(root: Path) -> Listing:
    """
    Args:
        root: the folder with images, labels and split.mat.

    Raises:
        FileNotFoundError: if there is no photograph with a label map, or no split.mat.
        ValueError: if split.mat cannot be read.
    """
    pairs = {"train": (root / "images", root / "labels")}
    whole = list_same_names(root, GTA5, pairs, {}, "png", ClassSet.cityscapes(), RAW_IDS)
    file = root / "split.mat"
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such file, which says what is trained on; it comes with the data.")
    try:
        content = loadmat(file)
        numbers = {split: {*np.ravel(content[key]).astype(int).tolist()} for split, key in GTA5_SPLITS.items()}
    except Exception as error:  # a damaged file fails in many different ways
        raise ValueError(f"{file}: cannot be read as the split of GTA5 ({clause(error)}).") from error
    frames = {int(name): frame for frame in whole.splits["train"] if (name := frame.columns["frame"]).isdigit()}
    splits = {split: [frames[n] for n in sorted(of_split) if n in frames] for split, of_split in numbers.items()}
    missing = [
        f"images/{number:05}.png: named in split.mat as {split}, but not there"
        for split, of_split in numbers.items()
        for number in sorted(of_split - {*frames})
    ]
    return Listing(
        GTA5, whole.classes, whole.options, {s: f for s, f in splits.items() if f}, [*whole.missing, *missing]
    )
