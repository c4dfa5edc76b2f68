"""A dataset's shapes to features, kept on disk."""

from pointclip.encoding.clouds import encode_clouds, predict
from pointclip.encoding.job import Encodings, Watch, encode, encode_dataset
from pointclip.encoding.local import STAGES
from pointclip.encoding.looks import Augmentation

__all__ = ["STAGES", "Augmentation", "Encodings", "Watch", "encode", "encode_clouds", "encode_dataset", "predict"]
