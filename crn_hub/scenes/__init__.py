"""Procedural street scenes: a seed gives a layout of class ids and a picture that fits it, pixel by pixel.

They replace photographs in the quick training run, example layouts, "surprise me" in the demo, and tests. Their
contents follow the driver's-view labels of CamVid (Brostow et al., 2009): streets with left-hand traffic and parked
cars, houses in rows, trees with lumpy crowns, thin poles; their windows and doors those of LabelMeFacade (Fröhlich et
al., 2010), outlined with their frames, and not where they are small and far away.

`composition.py` combines all the other modules; `street.py` plans the street, `canvas.py` projects and paints.
"""

from crn_hub.scenes.composition import street_scene
from crn_hub.scenes.labels import (
    BICYCLIST,
    BUILDING,
    CAR,
    DOOR,
    FENCE,
    PAVEMENT,
    PEDESTRIAN,
    POLE,
    ROAD,
    SCENE_CLASSES,
    SIGN,
    SKY,
    TREE,
    WINDOW,
)

__all__ = [
    "BICYCLIST",
    "BUILDING",
    "CAR",
    "DOOR",
    "FENCE",
    "PAVEMENT",
    "PEDESTRIAN",
    "POLE",
    "ROAD",
    "SCENE_CLASSES",
    "SIGN",
    "SKY",
    "TREE",
    "WINDOW",
    "street_scene",
]
