"""Judging a model on a dataset."""

from pointclip.evaluation.comparison import compare
from pointclip.evaluation.judged import Judged
from pointclip.evaluation.run import Evaluation, OpenSplit, Request, evaluate, open_judged

__all__ = [
    "Evaluation",
    "Judged",
    "OpenSplit",
    "Request",
    "compare",
    "evaluate",
    "open_judged",
]
