"""Score every style and rig on the validation part of the train split: top-1, top-5, mean class accuracy, seconds.

    python scripts/bench_styles.py --root /usr/share/sweethome3d/furniture
    python scripts/bench_styles.py --styles depth,contour --rigs ring-6 --limit 20   # a trial

The test split is never opened. Validation leaves one library out, as scripts/train_embedded_head.py does: for each of
BlendSwap-CC-BY and Scopia, heads are made without it and scored on it, over all 71 labels. Two heads for each row:
``untrained`` knows ImageNet's 1000 classes and their names, no mesh; ``trained`` has besides seen the furniture of the
other libraries, drawn in the same style and rig. Features of the frozen trunk are kept in --cache, one file for each
style and rig, so a run that was stopped goes on where it was. Written: assets/bench/styles.csv (--out).
"""

import hashlib
import json
import sys
import time
from pathlib import Path

import torch
from _common import BENCH, birth_certificate, parser, percentages, write_csv
from _names_head import Sentences, Settings, image_features, solve
from torch import Tensor
from train_embedded_head import label_features

from pointclip import images
from pointclip._base.cache import cache_folder
from pointclip._base.files import whole
from pointclip.cameras import views
from pointclip.datasets import FURNITURE_FOLDER, SweetHome3D
from pointclip.weights import embedded

RIGS = ("pointclip-6", "pointclip-10", "ring-6", "realistic-10", "orbit-12")
HELD_OUT = ("BlendSwap-CC-BY.sh3f", "Scopia.sh3f")
POINTS = 20_000
HEADS = {"untrained": Settings(share=0.0), "trained": Settings()}


class Bench:
    """The furniture of the train split, the image tower and the sentence encoder."""

    def __init__(self, root: Path, cache: Path) -> None:
        self.data, self.cache = SweetHome3D(root, split="train", num_points=POINTS), cache
        self.tower = embedded.headless()[0].visual.to(memory_format=torch.channels_last)
        self.sentences = Sentences()
        self.labels, self.library = self.data.labels, [row.archive for row in self.data.rows]
        self.target = torch.tensor([self.labels.index(row.label) for row in self.data.rows])


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
    with whole(path) as draft:
        torch.save(made, draft)
    return made


def draw(cloud, style: str, rig: str) -> Tensor:
    """Pictures (V, 3, S, S); ``color`` of a shape without colours is ``shaded``, as a user would choose."""
    style = "shaded" if style == "color" and cloud.colors is None else style
    return images.render_shape(cloud, images.style(style), views(rig), embedded.IMAGE_SIZE)[0]


def encode(bench: Bench, pictures: Tensor, normalized: bool) -> Tensor:
    if normalized:
        pictures = (pictures - embedded.MEAN[0]) / embedded.STD[0]
    return bench.tower(pictures.contiguous(memory_format=torch.channels_last)).float()


def products(bench: Bench, settings: Settings, found: Tensor, target: Tensor, out: Tensor) -> Tensor:
    """Inner products (n, 71) of the shapes left out, of a head solved from the others."""
    names = sorted({bench.labels[int(k)] for k in target[~out]})
    y = torch.tensor([names.index(bench.labels[int(k)]) for k in target[~out]])
    weight = torch.bincount(y).float()[y] ** -settings.balance
    each = found.shape[1]
    weight = (weight / weight.sum() / each).repeat_interleave(each)
    with torch.enable_grad():
        pictures = found[~out].flatten(0, 1)
        head = solve(pictures, y.repeat_interleave(each), names, weight, bench.sentences, settings)
    text = label_features(head, bench.labels, bench.sentences)
    return (image_features(head, found[out]) @ text.T).mean(1)


def validate(bench: Bench, found: Tensor, shapes: list[int]) -> dict[str, tuple[Tensor, Tensor]]:
    """For each kind of head: inner products of the shapes of the libraries left out, and their targets."""
    target, library = bench.target[shapes], [bench.library[index] for index in shapes]
    held = [torch.tensor([other == name for other in library]) for name in HELD_OUT]
    truth = torch.cat([target[out] for out in held])
    return {
        kind: (torch.cat([products(bench, settings, found, target, out) for out in held]), truth)
        for kind, settings in HEADS.items()
    }


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--root", type=Path, default=FURNITURE_FOLDER, help="folder with the .sh3f libraries")
    options.add_argument("--styles", default=",".join(images.STYLES))
    options.add_argument("--rigs", default=",".join(RIGS))
    options.add_argument("--limit", type=int, help="number of shapes, for a trial")
    options.add_argument("--cache", type=Path, default=cache_folder("bench-styles"))
    options.add_argument("--out", type=Path, default=BENCH / "styles.csv")
    args = options.parse_args()
    bench = Bench(args.root, args.cache)
    shapes, rows = chosen_shapes(bench, args.limit), []
    for rig in args.rigs.split(","):
        for style in args.styles.split(","):
            images.style(style)
            made = features(bench, style, rig, shapes)
            for kind, (logits, target) in validate(bench, made["features"].clone(), shapes).items():
                row = {"style": style, "rig": rig, "head": kind, **percentages(logits, target), "shapes": len(target)}
                row |= {"draw_s": f"{made['draw_s']:.3f}", "encode_s": f"{made['encode_s']:.3f}"}
                rows.append(row | {"points": POINTS, "seed": 0} | birth_certificate())
                print(json.dumps(rows[-1]))
    write_csv(args.out, rows)
    print(args.out)


if __name__ == "__main__":
    with torch.no_grad():
        main()
