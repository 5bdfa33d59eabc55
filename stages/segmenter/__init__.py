"""The segmenter, Token to Segment: the streaming decision and its language data."""

from stages.segmenter.segmenter import Segmenter, SegmenterOptions

__all__ = ["Segmenter", "SegmenterOptions"]
