"""An index of shapes and its retrieval."""

from pointclip.search.index import Hit, Origin, ShapeIndex, write_index
from pointclip.search.retrieval import encode_query, make_index, picture

__all__ = [
    "Hit",
    "Origin",
    "ShapeIndex",
    "encode_query",
    "make_index",
    "picture",
    "write_index",
]
