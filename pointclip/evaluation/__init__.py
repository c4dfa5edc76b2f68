"""Judging a model on a dataset."""

from pointclip.evaluation.comparison import compare
from pointclip.evaluation.judged import Judged
from pointclip.evaluation.result_folder import as_document, seconds_per_shape, write_result
from pointclip.evaluation.run import Evaluation, OpenSplit, Request, evaluate, open_judged

__all__ = [
    "Evaluation",
    "Judged",
    "OpenSplit",
    "Request",
    "as_document",
    "compare",
    "evaluate",
    "open_judged",
    "seconds_per_shape",
    "write_result",
]
