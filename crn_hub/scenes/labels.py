"""The class ids of scenes: those of the preset "camvid"."""

SCENE_CLASSES = "camvid"  # the preset of ClassSet that the ids belong to
COUNT = 11
SKY, BUILDING, POLE, ROAD, PAVEMENT, TREE, SIGN, FENCE, CAR, PEDESTRIAN, BICYCLIST = range(COUNT)
