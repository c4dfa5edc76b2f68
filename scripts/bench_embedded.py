"""Judge ``embedded`` on every test set it is judged on: furniture and packs of other things, meshes and sparse clouds.

    python scripts/bench_embedded.py --furniture FOLDER --packs FOLDER --csv assets/bench/embedded_test.csv
    python scripts/bench_embedded.py --furniture FOLDER --packs FOLDER --head no_furniture.safetensors

Each set is judged among its own labels: furniture's test split among the 71 of the benchmark, each pack
(NAME.npz.xz in the folder) among those of its shapes. Every shape is drawn as a mesh and as a cloud of --points samples
without colours and normals. Printed and written: top-1, top-5 and mean class accuracy in per cent with 95 % bootstrap
intervals, and the calibration error. Nothing is chosen here: run it once for a finished head.
"""

import math
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from _common import birth_certificate, parser, percentages, write_csv
from _names_head import calibration_error

from pointclip import PointCLIP
from pointclip.clip import FrozenClip
from pointclip.datasets import FURNITURE_FOLDER, Dataset, open_dataset
from pointclip.evaluation.metrics import bootstrap
from pointclip.points import PointCloud
from pointclip.weights import embedded, load
from pointclip.weights.embedded_head import read_head

PACKS = "urdf_household", "gazebo", "libero", "ycb"


def model_of(options: Namespace) -> PointCLIP:
    """Load ``embedded``, with another head than the shipped one where it is asked for."""
    loaded = load("embedded")
    if options.head is not None:
        head = read_head(options.head, (embedded.TRUNK_DIM, embedded.CLASSES, embedded.SENTENCE_DIM))
        loaded = replace(loaded, model=embedded.build(head)[0], identity=embedded.identity(head))
        loaded = replace(loaded, logit_scale=math.exp(head.logit_scale))
    return PointCLIP(FrozenClip(loaded, device="cpu", precision=options.precision), views=options.views)


def opened(name: str, options: Namespace) -> Dataset:
    """Open one set."""
    if name == "furniture":
        return open_dataset(f"sweethome3d:{options.furniture}", "test", num_points=options.points)
    return open_dataset(f"shapes:{options.packs / name}.npz.xz", num_points=options.points)


@torch.inference_mode()
def judged(model: PointCLIP, data: Dataset) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Give the logits (n, K) of the meshes and of their clouds, and the right classes (n,)."""
    text = model.encode_labels(data.labels)
    logits: dict[str, list[torch.Tensor]] = {"meshes": [], "clouds": []}
    target = []
    for index in range(len(data)):
        shape, label, _ = data.item(index)
        target.append(data.labels.index(label))
        for kind, drawn in (("meshes", shape), ("clouds", PointCloud(shape.points))):
            logits[kind].append(model.logits(model.encode_views(drawn), text)[0].cpu())
    return {kind: torch.stack(rows) for kind, rows in logits.items()}, torch.tensor(target)


def figures(logits: torch.Tensor, target: torch.Tensor) -> dict[str, Any]:
    """Score one set: each figure with the ends of its interval."""
    found: dict[str, Any] = percentages(logits, target)
    for name in tuple(found):
        ends = bootstrap(lambda at, name=name: percentages(logits[at], target[at])[name], len(target), resamples=1000)
        found |= {f"{name}_low": round(ends[0], 1), f"{name}_high": round(ends[1], 1)}
    return found | {"calibration_error": calibration_error(logits, target)}


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--furniture", type=Path, default=FURNITURE_FOLDER, help="folder with the .sh3f libraries")
    options.add_argument("--packs", type=Path, required=True, help="folder with the packs of shapes")
    options.add_argument("--sets", default=",".join(("furniture", *PACKS)))
    options.add_argument("--points", type=int, default=2048, help="of the clouds")
    options.add_argument("--views", default="ring-6")
    options.add_argument("--precision", default="auto")
    options.add_argument("--head", type=Path, help="another head, as scripts/train_embedded_head.py --out wrote it")
    options.add_argument("--csv", type=Path)
    asked = options.parse_args()
    model, rows = model_of(asked), []
    for name in asked.sets.split(","):
        data = opened(name, asked)
        logits, target = judged(model, data)
        for kind, answers in logits.items():
            row = {"set": name, "shapes": len(target), "labels": len(data.labels), "drawn": kind}
            rows.append(row | figures(answers, target))
            told = [f"{rows[-1][x]:5.1f} ({rows[-1][x + '_low']:.1f} to {rows[-1][x + '_high']:.1f})"
                    for x in ("top1", "top5", "mean_class")]  # fmt: skip
            print(f"{name:16s}{kind:8s}", *told, f" calibration error {rows[-1]['calibration_error']}", flush=True)
    about = {"model": f"embedded {model.clip.identity[:12]}", "views": asked.views, "points": asked.points, "seed": 0}
    about |= {"precision": model.clip.precision.name, "head": "shipped" if asked.head is None else asked.head.name}
    if asked.csv:
        write_csv(asked.csv, [row | about | birth_certificate() for row in rows])


if __name__ == "__main__":
    main()
