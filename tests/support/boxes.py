"""Folders of small boxes and a tiny tower, for tests of the few-shot pipeline."""

from pathlib import Path

import torch
from safetensors.torch import save_file

from pointclip.weights import loading as weights

KINDS = {"plank": (4.0, 0.3, 1.0), "pole": (0.3, 4.0, 0.3), "cube": (1.0, 1.0, 1.0)}
FACES = "f 1 2 4 3\nf 5 7 8 6\nf 1 5 6 2\nf 3 4 8 7\nf 1 3 7 5\nf 2 6 8 4\n"


def write_box(path: Path, sides: tuple[float, float, float]) -> Path:
    """Write a box as a mesh file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    corners = [(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)]
    lines = [" ".join(["v", *(f"{c * s:.6f}" for c, s in zip(corner, sides, strict=True))]) for corner in corners]
    path.write_text("\n".join(lines) + "\n" + FACES)
    return path


def write_boxes(root: Path, per_class: int, seed: int = 0) -> Path:
    """Write a class folder of planks, poles and cubes of random size."""
    generator = torch.Generator().manual_seed(seed)
    for kind, sides in KINDS.items():
        for k in range(per_class):
            factors = (0.7 + 0.6 * torch.rand(3, generator=generator)).tolist()
            write_box(root / kind / f"{k}.obj", tuple(s * f for s, f in zip(sides, factors, strict=True)))
    return root


def tiny_name(folder: Path) -> str:
    """Write random weights of the tiny tower and give the name to load them by."""
    folder.mkdir(parents=True, exist_ok=True)
    state = weights.random("tiny-vit", seed=3).model.state_dict()
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, folder / "tiny.safetensors")
    return f"tiny-vit@{folder}/tiny.safetensors"
