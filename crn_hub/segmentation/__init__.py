"""Semantic segmentation networks, which label photographs, to measure whether these conform to their layouts."""

from crn_hub.segmentation.segmenters import Segmenter, SmallSegmenter, load_segmenter

__all__ = ["Segmenter", "SmallSegmenter", "load_segmenter"]
