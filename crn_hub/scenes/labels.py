"""The class ids of scenes: those of the preset "streets"."""

SCENE_CLASSES = "streets"  # the preset of ClassSet that the ids belong to
COUNT = 13
(
    SKY, BUILDING, POLE, ROAD, PAVEMENT, TREE, SIGN, FENCE, CAR, PEDESTRIAN, BICYCLIST, WINDOW, DOOR
) = range(COUNT)  # fmt: skip
