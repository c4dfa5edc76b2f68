"""The mean and standard deviation of a weight file, which are read from what is published of its architecture."""

import json
from typing import Any

from pointclip.errors import WeightsError


def of_architecture(arch: str) -> dict[str, Any]:
    """Give mean and std of an architecture's published weights where they all agree, else nothing: CLIP's hold.

    Example:
        >>> of_architecture("ViT-B-16-SigLIP")
        {'mean': (0.5, 0.5, 0.5), 'std': (0.5, 0.5, 0.5)}
    """
    pairs = _published(arch)
    if len(pairs) != 1:
        return {}
    mean, std = json.loads(next(iter(pairs)))
    return {"mean": tuple(mean), "std": tuple(std)}


def refuse_disagreement(name: str, arch: str) -> None:
    """Refuse a file of an architecture whose published weights were trained with several means and deviations.

    Raises:
        WeightsError: Naming each with a tag that has it, and what to say.
    """
    pairs = _published(arch)
    if len(pairs) > 1:
        known = " or ".join(
            f"--mean {_joined(mean)} --std {_joined(std)} (as {arch}/{tags[0]})"
            for (mean, std), tags in ((json.loads(pair), tags) for pair, tags in pairs.items())
        )
        raise WeightsError(
            f"{name!r}: the published weights of {arch} do not agree on mean and standard deviation, and the file does "
            f"not tell: add {known}; in Python mean= and std="
        )


def _published(arch: str) -> dict[str, list[str]]:
    import open_clip

    found: dict[str, list[str]] = {}
    for tag in open_clip.list_pretrained_tags_by_model(arch):
        entry = open_clip.get_pretrained_cfg(arch, tag)
        mean, std = (entry.get(key) or getattr(open_clip, f"OPENAI_DATASET_{key.upper()}") for key in ("mean", "std"))
        found.setdefault(json.dumps([mean, std]), []).append(tag)
    return found


def _joined(numbers: list[float]) -> str:
    return ",".join(f"{number:.7g}" for number in numbers)
