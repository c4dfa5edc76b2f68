"""Time the pipeline against the straightforward one, end to end and in the image tower alone, and write a CSV.

    python scripts/bench_pipeline.py --out assets/bench/pipeline_cpu.csv
    python scripts/bench_pipeline.py --out FILE --root /usr/share/sweethome3d/furniture --shapes 156 --models embedded

Straightforward: float32, three channels, contiguous NCHW, one shape at a time, open_clip's own forward. Ours: what
``pointclip embed`` runs. Both read, draw and encode the same meshes, our samples or shapes of the furniture test
split, in turns, ``--rounds`` times; figures are medians over the rounds, ``times`` columns medians of the ratios
within a round. ``ceiling_gflops`` is a product of two 2048 x 2048 matrices in the row's precision on the same threads,
timed in the same rounds; an image counts the operations of the full tower, whether or not ours does them all. Shares
of stages are of the time spent in read, draw and encode, added over threads. ``peak_mb`` is the process at its
largest, all models loaded (on a GPU: of torch's allocator). On a busy machine use ``--threads 1``: two threads that
share one product wait for each other, which flatters ours. ``least_cosine`` and ``same_top1`` compare with the
straightforward features; with random weights (all but ``embedded`` and ``--model``) they say nothing about real ones.
"""

import argparse
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from _common import ASSETS, birth_certificate, parser, peak_mb, reset_peak, write_csv
from torch import Tensor
from torch.nn.functional import normalize

from pointclip import PointCLIP, fusion, weights
from pointclip._base.threads import cores, spread
from pointclip.clip import FrozenClip, VisionTower, pick_device
from pointclip.datasets import Dataset, Files, SweetHome3D
from pointclip.encoding import encode_dataset
from pointclip.errors import WeightsError
from pointclip.evaluation import splits as validation
from pointclip.points import PointCloud

MESHES = ASSETS / "meshes"
GFLOP = {"embedded": 0.81, "ViT-B-32": 8.8, "ViT-B-16": 35.1, "RN50": 12.2, "RN101": 19.5}


def main() -> None:
    """Measure every model and write the table."""
    options = parser(__doc__)
    options.add_argument("--out", type=Path, required=True, help="the CSV to write")
    options.add_argument("--models", nargs="*", default=["embedded", "ViT-B-32", "ViT-B-16", "RN50"])
    options.add_argument("--model", action="append", default=[], help="pretrained weights as pointclip names them")
    options.add_argument("--shapes", type=int, default=8)
    options.add_argument("--root", type=Path, help="furniture: take shapes of its test split, spread evenly")
    options.add_argument("--views", default="ring-6")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--batch-size", type=int, help="of ours; the default is pointclip's own")
    options.add_argument("--threads", type=int, default=cores(), help="of the processor, for both pipelines")
    options.add_argument("--device", default="auto")
    args = options.parse_args()
    torch.set_num_threads(args.threads)
    rows = [row for name in [*args.models, *args.model] for row in measured(name, args)]
    write_csv(args.out, rows)


class Plain:
    """The straightforward pipeline: one shape at a time through open_clip's own forward."""

    def __init__(self, loaded: weights.LoadedModel, drawing: PointCLIP) -> None:
        self.model, self.drawing, self.device = loaded.model.to(drawing.device), drawing, drawing.device
        self.mean, self.std = (torch.tensor(v, device=self.device).view(3, 1, 1) for v in (loaded.mean, loaded.std))

    @torch.inference_mode()
    def encode(self, pictures: Tensor) -> Tensor:
        """Encode (V, 3, S, S) pictures in [0, 1] to (V, C)."""
        images = (pictures.to(self.device).contiguous() - self.mean) / self.std
        return normalize(self.model.encode_image(images).float(), dim=-1).cpu()

    def run(self, shapes: Dataset) -> tuple[Tensor, dict[str, float]]:
        """Encode all shapes: (N, V, C) and the seconds of each stage."""
        seconds = dict.fromkeys(("read", "draw", "encode"), 0.0)
        found = []
        for index in range(len(shapes)):
            marks = [time.perf_counter()]
            cloud = shapes.item(index)[0]
            marks.append(time.perf_counter())
            pictures = draw(self.drawing, cloud)
            marks.append(time.perf_counter())
            found.append(self.encode(pictures))
            marks.append(time.perf_counter())
            for stage, start, end in zip(seconds, marks, marks[1:], strict=False):
                seconds[stage] += end - start
        return torch.stack(found), seconds


def draw(model: PointCLIP, cloud: PointCloud) -> Tensor:
    """Draw the views of one shape, (V, 3, S, S)."""
    with torch.no_grad():
        return model.render(cloud)[0]


def ours(model: PointCLIP, shapes: Dataset) -> tuple[Tensor, dict[str, float]]:
    """Encode all shapes as ``pointclip embed`` does."""
    workers = torch.get_num_threads() if model.device.type == "cpu" else 1
    with tempfile.TemporaryDirectory() as folder:
        whole = encode_dataset(model, shapes, cache=folder, workers=workers).whole()
    return whole.features.float(), {stage: sum(spent) for stage, spent in whole.seconds.items()}


def measured(name: str, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Time one model: a row for each pipeline."""
    loaded = load(name)
    device = pick_device(args.device)
    options = {"device": device, "batch_size": args.batch_size}
    clips = {"ours": FrozenClip(loaded, **options)}
    if isinstance(clips["ours"].image_tower, VisionTower):
        clips["ours, skip_background"] = FrozenClip(loaded, **options, skip_background=True)
    models = {kind: PointCLIP(clip, args.views) for kind, clip in clips.items()}
    shapes, labels = chosen(args)
    pictures = torch.cat([draw(models["ours"], shapes.item(index)[0]) for index in range(min(4, len(shapes)))])
    plain = Plain(loaded, models["ours"])
    text = models["ours"].encode_labels(labels).cpu()
    whole = {"straightforward": partial(plain.run, shapes)}
    whole |= {kind: partial(ours, model, shapes) for kind, model in models.items()}
    views = models["ours"].views.num_views
    tower: dict[str, Callable[[], object]] = {
        "straightforward": lambda: [plain.encode(shape) for shape in pictures.split(views)]
    }
    tower |= {kind: partial(encoded, clip, pictures) for kind, clip in clips.items()}
    dtypes = {"straightforward": torch.float32} | {kind: clip.precision.dtype for kind, clip in clips.items()}
    ceilings = {kind: partial(multiply, device, dtype) for kind, dtype in dtypes.items()}
    found = rounds(whole, tower, ceilings, args.rounds, device)
    rows = []
    for kind, figures in found.items():
        clip = clips.get(kind)
        figure = {
            "model": name, "weights": loaded.source, "pipeline": kind,
            "precision": "fp32" if clip is None else clip.precision.name, "views": views,
            "batch_size": views if clip is None else clip.batch_size, "shapes": len(shapes), "rounds": args.rounds,
        }  # fmt: skip
        figure |= summary(figures, found["straightforward"], name, len(shapes), len(pictures))
        figure |= answers(text, figures["features"], found["straightforward"]["features"])
        print(figure, flush=True)
        rows.append(birth_certificate(device) | figure)
    return rows


def chosen(args: argparse.Namespace) -> tuple[Any, Sequence[str]]:
    """Give the shapes, and labels to classify them by."""
    if args.root is not None:
        shapes = SweetHome3D(args.root, "test")
        places = validation.evenly(len(shapes), args.shapes)
        return SweetHome3D(args.root, "test", only=[shapes.rows[place] for place in places]), shapes.labels
    meshes = sorted(path for path in MESHES.iterdir() if path.suffix in (".obj", ".glb", ".off"))
    labels = sorted({path.stem for path in MESHES.iterdir() if path.suffix != ".mtl"})
    return Files([meshes[index % len(meshes)] for index in range(args.shapes)]), labels


def load(name: str) -> weights.LoadedModel:
    """Load a model by name; the bare name of an architecture gives random weights."""
    try:
        return weights.load(name)
    except WeightsError:
        if not re.fullmatch(r"[\w-]+", name):
            raise
        return weights.random(name)


def encoded(clip: FrozenClip, pictures: Tensor) -> Tensor:
    """Encode pictures and wait for the features."""
    return clip.encode_images(pictures).cpu()


def multiply(device: torch.device, dtype: torch.dtype) -> float:
    """Time matrix products and give GFLOP/s."""
    side = 2048 if device.type == "cpu" else 8192
    left, right = torch.randn(2, side, side, device=device).to(dtype)
    jobs = [lambda: (left @ right)[0, 0].item()] * (torch.get_num_threads() if device.type == "cpu" else 10)
    start = time.perf_counter()
    if device.type == "cpu":
        spread(lambda job: job(), jobs)
    else:
        for job in jobs:
            job()
    return len(jobs) * 2 * side**3 / (time.perf_counter() - start) / 1e9


def rounds(
    whole: dict[str, Any], tower: dict[str, Any], ceilings: dict[str, Any], count: int, device: torch.device
) -> dict[str, dict[str, Any]]:
    """Run all pipelines in turns; the first round warms up and is left out."""
    found: dict[str, dict[str, Any]] = {}
    for number in range(count + 1):
        for kind in whole:
            reset_peak(device)
            start = time.perf_counter()
            features, stages = whole[kind]()
            figures = {"whole": time.perf_counter() - start, **stages, "peak": peak_mb(device)}
            start = time.perf_counter()
            tower[kind]()
            figures |= {"tower": time.perf_counter() - start, "ceiling": ceilings[kind]()}
            if number:
                kept = found.setdefault(kind, {"features": features})
                for name, value in figures.items():
                    kept.setdefault(name, []).append(value)
    return found


def summary(figures: dict[str, Any], base: dict[str, Any], name: str, shapes: int, images: int) -> dict[str, Any]:
    """Turn the rounds' seconds into the row's figures."""
    middle = {key: statistics.median(values) for key, values in figures.items() if key != "features"}
    busy = sum(middle[stage] for stage in ("read", "draw", "encode"))
    gflop = GFLOP.get(name.split("/")[0].split("@")[0])
    gflops = None if gflop is None else gflop * images / middle["tower"]

    def times(key: str) -> float:
        return round(statistics.median(b / a for a, b in zip(figures[key], base[key], strict=True)), 2)

    return {
        "shapes_per_s": round(shapes / middle["whole"], 3), "shapes_times": times("whole"),
        "images_per_s": round(images / middle["tower"], 2), "images_times": times("tower"),
        "gflop_per_image": gflop, "gflops": None if gflops is None else round(gflops, 1),
        "ceiling_gflops": round(middle["ceiling"], 1),
        "share_of_ceiling": None if gflops is None else round(gflops / middle["ceiling"], 3),
        "peak_mb": round(max(figures["peak"])),
        **{f"{stage}_share": round(middle[stage] / busy, 3) for stage in ("read", "draw", "encode")},
    }  # fmt: skip


def answers(text: Tensor, features: Tensor, exact: Tensor) -> dict[str, Any]:
    """Compare features (N, V, C) with the exact ones, and the classes they lead to among those of text (K, C)."""
    best = [fusion.fuse(each, text).argmax(-1) for each in (features, exact)]
    cosine = torch.cosine_similarity(features, exact, dim=-1).min().item()
    return {"least_cosine": round(cosine, 5), "same_top1": round((best[0] == best[1]).float().mean().item(), 4)}


if __name__ == "__main__":
    main()
