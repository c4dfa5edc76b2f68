"""Judging a model on a dataset."""

from pointclip.evaluation.comparison import compare
from pointclip.evaluation.judged import Judged
from pointclip.evaluation.literature import PUBLISHED, published
from pointclip.evaluation.protocols import PROTOCOLS, Protocol, protocol_named
from pointclip.evaluation.result_folder import as_document, seconds_per_shape, write_result
from pointclip.evaluation.run import Evaluation, OpenSplit, Request, evaluate, open_judged

__all__ = [
    "PROTOCOLS",
    "PUBLISHED",
    "Evaluation",
    "Judged",
    "OpenSplit",
    "Protocol",
    "Request",
    "as_document",
    "compare",
    "evaluate",
    "open_judged",
    "protocol_named",
    "published",
    "seconds_per_shape",
    "write_result",
]
