"""Classify the furniture benchmark and time its stages.

    python scripts/bench_sweethome3d.py --root /usr/share/sweethome3d/furniture

Prints top-1, top-5 and mean class accuracy of the ``embedded`` model on one split among all 71 labels, the untrained
baseline on the same pictures beside it (the image trunk's ImageNet probabilities, averaged over views, divided among
the labels by likeness of meaning), and peak memory. Seconds: read (processor time in the reading thread,
beside the rest), draw (with project, its scatter part, timed apart), encode, wait (for a file to be read) and wall.
``--csv FILE`` writes the row.
"""

import tempfile
import time
from pathlib import Path

import torch
from _common import birth_certificate, parser, peak_mb, percentages, write_csv
from _names_head import Sentences
from torch import Tensor

from pointclip import PointCLIP, fusion, ops
from pointclip.cameras import fit_to_frame, project
from pointclip.datasets import FURNITURE_FOLDER, Item, SweetHome3D, extract
from pointclip.points import load
from pointclip.reading import read_clouds
from pointclip.weights import embedded

SHARPNESS = 15.0  # of classes to labels


class Untrained:
    """ImageNet's classes to labels: what the two networks can do without anything that we trained.

    A label's score is the chance of its being meant where the image tower sees a class: each class is divided among
    the labels by a soft-max over 15 times the cosine between what both mean, by the sentence encoder.
    """

    def __init__(self, labels: list[str]) -> None:
        sentences = Sentences()
        self.trunk = sentences.model.visual.trunk.to(memory_format=torch.channels_last)
        self.weight, self.bias = embedded.imagenet_classifier()
        self.shares = (SHARPNESS * sentences.imagenet() @ sentences.names(labels).T).softmax(-1)

    @torch.inference_mode()
    def scores(self, pictures: Tensor) -> Tensor:
        normalised = ((pictures - embedded.MEAN[0]) / embedded.STD[0]).contiguous(memory_format=torch.channels_last)
        seen = (self.trunk(normalised) @ self.weight.T + self.bias).softmax(-1)
        return seen.mean(0) @ self.shares


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
        drawn = model.render(item.cloud)
        middle = time.perf_counter()
        features = model.clip.encode_images(drawn[0])[None]
        stages["draw"] += middle - begin
        stages["encode"] += time.perf_counter() - middle
        logits.append(fusion.fuse(features, text, model.view_weights, model.clip.logit_scale)[0])
        pictures.append((drawn[0] * 255).round().byte())
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
    options = parser(__doc__)
    options.add_argument("--root", type=Path, default=FURNITURE_FOLDER)
    options.add_argument("--split", choices=("train", "test"), default="test")
    options.add_argument("--points", type=int, default=20_000)
    options.add_argument("--views", default="ring-6")
    options.add_argument("--style", default="auto")
    options.add_argument("--csv", type=Path)
    arguments = options.parse_args()
    data = SweetHome3D(arguments.root, split=arguments.split)
    target = torch.tensor([data.labels.index(row.label) for row in data.rows])
    model = PointCLIP.from_pretrained("embedded", views=arguments.views, style=arguments.style)
    with tempfile.TemporaryDirectory() as folder:
        paths = [
            extract(data.root / row.archive, row.model, Path(folder) / str(index))
            for index, row in enumerate(data.rows)
        ]
        stages, logits, pictures = classify(model, paths, data.labels, arguments.points)
    untrained = Untrained(data.labels)
    baseline = torch.stack([untrained.scores(drawn / 255) for drawn in pictures])
    row = {
        **percentages(logits, target),
        **{f"untrained_{name}": value for name, value in percentages(baseline, target).items()},
        **{f"{name}_s": round(seconds, 2) for name, seconds in stages.items()},
        "peak_gib": round(peak_mb() / 1024, 2),
    }
    row |= {"dataset": "assets/sweethome3d.csv", "split": arguments.split, "shapes": len(data), "labels": 71, "seed": 0}
    row |= {"model": f"embedded {model.clip.identity[:12]}", "style": arguments.style, "views": arguments.views}
    row |= {"points": arguments.points, "precision": model.clip.precision.name} | birth_certificate()
    for name, value in row.items():
        print(f"{name:>22}  {value}")
    if arguments.csv:
        write_csv(arguments.csv, [row])


if __name__ == "__main__":
    main()
