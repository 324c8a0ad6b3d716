"""Semantic segmentation networks, which say what a photograph shows: to measure whether it conforms to its layout."""

from crn_hub.segmentation.segmenters import Segmenter, SmallSegmenter, load_segmenter

__all__ = ["Segmenter", "SmallSegmenter", "load_segmenter"]
