"""Score every style and rig on the validation part of the train split: top-1, top-5, mean class accuracy, seconds.

    python scripts/bench_styles.py --root /usr/share/sweethome3d/furniture
    python scripts/bench_styles.py --styles depth,contour --rigs ring-6 --limit 20   # a trial

The test split is never opened. Validation leaves one library out, as scripts/train_embedded_head.py does: for each of
BlendSwap-CC-BY and Scopia, heads are made without it and scored on it, over all 71 labels. Two heads for each row:
``untrained`` knows ImageNet's 1000 class prototypes and their names, no mesh; ``trained`` has besides seen the other
libraries, drawn in the same style and rig. Features of the frozen trunk are kept in --cache, one file for each style
and rig, so a run that was stopped goes on where it was. Written: assets/bench/styles.csv (--out).
"""

import argparse
import csv
import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path

import torch
from torch import Tensor
from train_embedded_head import HELD_OUT, POINTS, Bench, Settings, cosines, score, solve

from pointclip import images
from pointclip._base.cache import cache_folder
from pointclip.cameras.rigs import views
from pointclip.datasets.sweethome3d import FURNITURE_FOLDER
from pointclip.weights import embedded

ASSETS = Path(__file__).resolve().parent.parent / "assets"
RIGS = ("pointclip-6", "pointclip-10", "ring-6", "realistic-10", "orbit-12")
WITH_NORMALS = ("shaded", "color")
HEAD = Settings("its own pictures")


def chosen_shapes(bench: Bench, limit: int | None) -> list[int]:
    """All shapes of the train split, or a few spread over it."""
    count = len(bench.data)
    limit = count if limit is None else min(limit, count)
    return [index * count // limit for index in range(limit)]


@torch.inference_mode()
def features(bench: Bench, style: str, rig: str, shapes: list[int]) -> dict:
    """Features (shapes, V, 1280) of the frozen trunk with the seconds of drawing and encoding, from the cache."""
    key = hashlib.sha256(repr([images.STYLES[style], rig, shapes, POINTS]).encode()).hexdigest()[:16]
    path = bench.cache / f"{style}_{rig}_{key}.pt"
    if path.is_file():
        return torch.load(path, weights_only=True)
    found, drawing, encoding = [], 0.0, 0.0
    for number, index in enumerate(shapes):
        cloud = bench.data.item(index)[0]
        start = time.perf_counter()
        pictures = draw(cloud, style, rig)
        drawn = time.perf_counter()
        found.append(encode(bench, pictures, images.STYLES[style].clip_normalized))
        drawing, encoding = drawing + drawn - start, encoding + time.perf_counter() - drawn
        print(f"\r{style}, {rig}: {number + 1} of {len(shapes)}", end="", file=sys.stderr)
    print(file=sys.stderr)
    made = {"features": torch.stack(found), "draw_s": drawing / len(shapes), "encode_s": encoding / len(shapes)}
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(made, path.with_suffix(".part"))
    path.with_suffix(".part").replace(path)
    return made


def draw(cloud, style: str, rig: str) -> Tensor:
    """Pictures (V, 3, 224, 224); ``color`` of a shape without colours is ``shaded``, as a user would choose."""
    style = "shaded" if style == "color" and cloud.colors is None else style
    normals = cloud.normals[None] if style in WITH_NORMALS else None
    colors = cloud.colors[None] if style == "color" else None
    return images.render(cloud.points[None], views(rig), images.style(style), embedded.IMAGE_SIZE, normals, colors)[0]


def encode(bench: Bench, pictures: Tensor, normalized: bool) -> Tensor:
    if normalized:
        pictures = (pictures - embedded.MEAN[0]) / embedded.STD[0]
    return bench.model.visual.trunk(pictures.contiguous(memory_format=torch.channels_last)).float()


def untrained(bench: Bench) -> Tensor:
    """Solve for a head (384, 1280) from ImageNet's prototypes and names alone."""
    centre = bench.prototype_text.mean(0)
    gram = bench.prototypes.T @ bench.prototypes + HEAD.ridge * torch.eye(bench.prototypes.shape[1])
    return torch.linalg.solve(gram, bench.prototypes.T @ (bench.prototype_text - centre)).T


def validate(bench: Bench, found: Tensor, shapes: list[int]) -> dict[str, tuple[Tensor, Tensor]]:
    """For each kind of head: cosines of the shapes of the libraries left out, and their targets."""
    target, library = bench.target[shapes], [bench.library[index] for index in shapes]
    parts: dict[str, list[Tensor]] = {"untrained": [], "trained": []}
    plain, targets = untrained(bench), []
    for name in HELD_OUT:
        out = torch.tensor([other == name for other in library])
        head = solve(bench, HEAD, found[~out].clone(), target[~out])
        parts["untrained"].append(cosines(bench, plain, found[out]))
        parts["trained"].append(cosines(bench, head, found[out]))
        targets.append(target[out])
    return {kind: (torch.cat(logits), torch.cat(targets)) for kind, logits in parts.items()}


def mean_class(logits: Tensor, target: Tensor) -> float:
    """Mean over the classes present of their top-1 accuracy, in per cent."""
    right = (logits.argmax(1) == target).float()
    return 100 * torch.stack([right[target == label].mean() for label in target.unique()]).mean().item()


def commit() -> str:
    try:
        return subprocess.run(
            ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=True, cwd=ASSETS
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=FURNITURE_FOLDER, help="folder with the .sh3f libraries")
    parser.add_argument("--styles", default=",".join(images.STYLES))
    parser.add_argument("--rigs", default=",".join(RIGS))
    parser.add_argument("--limit", type=int, help="number of shapes, for a trial")
    parser.add_argument("--cache", type=Path, default=cache_folder("bench-styles"))
    parser.add_argument("--out", type=Path, default=ASSETS / "bench" / "styles.csv")
    args = parser.parse_args()
    bench = Bench(args.root, args.cache)
    shapes, rows = chosen_shapes(bench, args.limit), []
    for rig in args.rigs.split(","):
        for style in args.styles.split(","):
            images.style(style)
            made = features(bench, style, rig, shapes)
            for kind, (logits, target) in validate(bench, made["features"].clone(), shapes).items():
                top1, top5 = score(logits, target)
                row = {"style": style, "rig": rig, "head": kind, "top1": f"{top1:.1f}", "top5": f"{top5:.1f}"}
                row |= {"mean_class": f"{mean_class(logits, target):.1f}", "shapes": len(target)}
                row |= {"draw_s": f"{made['draw_s']:.3f}", "encode_s": f"{made['encode_s']:.3f}"}
                rows.append(row | {"points": POINTS, "seed": 0, "device": "cpu", "commit": commit()})
                print(json.dumps(rows[-1]))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    draft = args.out.with_suffix(".part")
    with draft.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    draft.replace(args.out)
    print(args.out)


if __name__ == "__main__":
    with torch.no_grad():
        main()
