"""Semantic segmentation networks, which label photographs: to find their layouts, and to measure how photographs
conform to theirs."""

from crn_hub.segmentation.labelling import segment
from crn_hub.segmentation.segmenters import Segmenter, SmallSegmenter, load_segmenter

__all__ = ["Segmenter", "SmallSegmenter", "load_segmenter", "segment"]
