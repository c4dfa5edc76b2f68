"""Classify the furniture benchmark and time its stages.

    python scripts/bench_sweethome3d.py --root /usr/share/sweethome3d/furniture

Prints top-1, top-5 and mean class accuracy of the ``embedded`` model on one split among all 71 labels, the untrained
baseline on the same pictures beside it (the image trunk's ImageNet probabilities, averaged over views, as a weighted
mean of class-name embeddings; nearest label), and peak memory. Seconds: read (processor time in the reading thread,
beside the rest), draw (with project, its scatter part, timed apart), encode, wait (for a file to be read) and wall.
``--csv FILE`` writes the row.
"""

import argparse
import csv
import os
import platform
import resource
import shlex
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import normalize

from pointclip import PointCLIP, fusion, ops
from pointclip.cameras.projection import fit_to_frame, project
from pointclip.datasets.paths import Item
from pointclip.datasets.sweethome3d import FURNITURE_FOLDER, SweetHome3D, extract
from pointclip.points import load
from pointclip.reading.clouds import read_clouds
from pointclip.weights import embedded


class Untrained:
    """ImageNet probabilities to label texts: what the two networks can do without our head."""

    def __init__(self, model: PointCLIP, labels: list[str]) -> None:
        from open_clip import IMAGENET_CLASSNAMES

        self.trunk = embedded.headless()[0].visual.trunk.to(memory_format=torch.channels_last)
        self.weight, self.bias = embedded.imagenet_classifier()
        self.names = model.clip.encode_sentences(list(IMAGENET_CLASSNAMES))
        self.text = model.encode_labels(labels)

    @torch.inference_mode()
    def logits(self, pictures: Tensor) -> Tensor:
        normalised = ((pictures - embedded.MEAN[0]) / embedded.STD[0]).contiguous(memory_format=torch.channels_last)
        probabilities = (self.trunk(normalised) @ self.weight.T + self.bias).softmax(-1)
        return (normalize(probabilities @ self.names, dim=-1) @ self.text.T).mean(0)


def figures(logits: Tensor, target: Tensor) -> dict[str, float]:
    """Overall top-1 and top-5 and mean class accuracy, per cent."""
    best = logits.topk(5, dim=-1).indices == target[:, None]
    per_class = [best[target == label, 0].float().mean() for label in target.unique()]
    return {
        "top1": round(100 * best[:, 0].float().mean().item(), 1),
        "top5": round(100 * best.any(1).float().mean().item(), 1),
        "mean_class": round(100 * torch.stack(per_class).mean().item(), 1),
    }


def classify(model: PointCLIP, paths: list[Path], labels: list[str], points: int) -> tuple[dict, Tensor, list[Tensor]]:
    """Run the pipeline as the command line does; give stage seconds, logits (N, K) and every shape's pictures."""
    text = model.encode_labels(labels)
    stages = {"read": 0.0, "project": 0.0, "draw": 0.0, "encode": 0.0}

    def read(path: str):
        start = time.thread_time()
        cloud = load(path, num_points=points)
        stages["read"] += time.thread_time() - start
        return cloud

    logits, pictures = [], []
    start = time.perf_counter()
    for item in read_clouds([Item(str(path)) for path in paths], read):
        if item.cloud is None:
            raise SystemExit(f"{item.path}: {item.error}")
        begin = time.perf_counter()
        drawn = model.render(*item.cloud.batched())
        middle = time.perf_counter()
        features = model.clip.encode_images(drawn[0])[None]
        stages["draw"] += middle - begin
        stages["encode"] += time.perf_counter() - middle
        logits.append(fusion.fuse(features, text, model.view_weights, model.clip.logit_scale)[0])
        pictures.append((drawn[0, :, 0] * 255).round().byte() if model.style != "color" else drawn[0])
        stages["project"] += seconds_to_project(model, item.cloud.points[None])
    stages["wall"] = time.perf_counter() - start - stages["project"]
    stages["wait"] = stages["wall"] - stages["draw"] - stages["encode"]
    return stages, torch.stack(logits), pictures


def seconds_to_project(model: PointCLIP, points: Tensor) -> float:
    """Time the part of drawing that projects and scatters, once more and outside of the wall time."""
    begin = time.perf_counter()
    side = (2 * model.clip.image_size,) * 2
    ops.zbuffer(fit_to_frame(project(points, model.views, side), side), side, radius=1.0)
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=FURNITURE_FOLDER)
    parser.add_argument("--split", choices=("train", "test"), default="test")
    parser.add_argument("--points", type=int, default=20_000)
    parser.add_argument("--views", default="ring-6")
    parser.add_argument("--style", default="auto")
    parser.add_argument("--csv", type=Path)
    arguments = parser.parse_args()
    data = SweetHome3D(arguments.root, split=arguments.split)
    target = torch.tensor([data.labels.index(row.label) for row in data.rows])
    model = PointCLIP.from_pretrained("embedded", views=arguments.views, style=arguments.style)
    with tempfile.TemporaryDirectory() as folder:
        paths = [
            extract(data.root / row.archive, row.model, Path(folder) / str(index))
            for index, row in enumerate(data.rows)
        ]
        stages, logits, pictures = classify(model, paths, data.labels, arguments.points)
    untrained = Untrained(model, data.labels)
    baseline = torch.stack([untrained.logits(expand(drawn)) for drawn in pictures])
    row = {
        **figures(logits, target),
        **{f"untrained_{name}": value for name, value in figures(baseline, target).items()},
        **{f"{name}_s": round(seconds, 2) for name, seconds in stages.items()},
        "peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
    }
    row |= birth_certificate(arguments, len(data), model)
    for name, value in row.items():
        print(f"{name:>22}  {value}")
    if arguments.csv:
        with arguments.csv.open("w", newline="") as file:
            writer = csv.DictWriter(file, row)
            writer.writeheader()
            writer.writerow(row)


def expand(pictures: Tensor) -> Tensor:
    return pictures[:, None].expand(-1, 3, -1, -1) / 255 if pictures.dtype == torch.uint8 else pictures


def birth_certificate(arguments: argparse.Namespace, num_shapes: int, model: PointCLIP) -> dict[str, object]:
    """Say where the figures come from."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return {
        "dataset": "assets/sweethome3d.csv",
        "split": arguments.split,
        "shapes": num_shapes,
        "labels": 71,
        "seed": 0,
        "model": f"embedded {model.clip.identity[:12]}",
        "style": arguments.style,
        "views": arguments.views,
        "points": arguments.points,
        "precision": model.clip.precision.name,
        "device": f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}",
        "date": datetime.now(timezone.utc).date().isoformat(),
        "commit": commit.stdout.strip(),
        "command": shlex.join(["python", *sys.argv]),
    }


if __name__ == "__main__":
    main()
