"""Learn the classes of a folder from a few shapes of each, and report on shapes that took no part.

    python scripts/few_shot.py my_meshes --shots 5 --out mine.safetensors

``my_meshes`` holds a folder of shapes per class (``my_meshes/chair/a.obj``), inside ``train/`` and ``test/`` where you
have a split of your own. Protocol: K shots of each class are drawn from train by the seed; everything that is chosen is
chosen on other train shapes (``val/``, or the rest of train, or cross-validation on the shots); the test split is
looked at once, at the end. Without a ``test/`` folder, 30 % of each class, drawn by the seed, are first set aside as
test. The report is printed and written beside the checkpoint as JSON.
"""

import json
from pathlib import Path

import torch
from _common import parser, scores

import pointclip as pc
from pointclip.datasets import ClassFolder
from pointclip.encoding import encode
from pointclip.fusion import fuse
from pointclip.heads import METHODS

TEST_SHARE = 0.3


class Part:
    """Some of the shapes of a dataset, as a split of its own."""

    def __init__(self, whole: ClassFolder, places: list[int], split: str) -> None:
        self.whole, self.places, self.split, self.labels = whole, places, split, whole.labels

    def __len__(self) -> int:
        return len(self.places)

    def item(self, index: int):
        return self.whole.item(self.places[index])

    def label(self, index: int) -> str:
        return self.whole.label(self.places[index])

    def fingerprint(self, index: int) -> str:
        return self.whole.fingerprint(self.places[index])


def splits(folder: str, seed: int, **reading):
    """Give train, validation (or None) and test."""
    whole = ClassFolder(folder, **reading)
    if "test" in whole.splits:
        val = ClassFolder(folder, "val", **reading) if "val" in whole.splits else None
        return whole, val, ClassFolder(folder, "test", **reading)
    generator = torch.Generator().manual_seed(seed)
    train, test = [], []
    for label in whole.labels:
        places = [place for place in range(len(whole)) if whole.label(place) == label]
        order = torch.randperm(len(places), generator=generator).tolist()
        aside = min(len(places) - 1, round(TEST_SHARE * len(places)))
        test += [places[k] for k in order[:aside]]
        train += [places[k] for k in order[aside:]]
    return Part(whole, train, "train"), None, Part(whole, test, "test")


def report(model: pc.PointCLIP, result: pc.FewShotResult, test, cache: str | None) -> dict:
    """Judge the head, and the model without it, on the test split."""
    names = [test.label(k).replace("_", " ") for k in range(len(test))]
    places = [k for k, name in enumerate(names) if name in result.labels]
    folder = None if cache is None else Path(cache) / "features"
    features = encode(model, test, places, cache=folder)[:, 0]
    targets = torch.tensor([result.labels.index(names[k]) for k in places])
    with torch.no_grad():
        learned = scores(result.head(features), targets)
        zero_shot = scores(fuse(features, result.head.text, None, result.head.scale), targets)
    return {"num_test": len(places), "few_shot": learned, "zero_shot": zero_shot}


def main() -> None:
    options = parser(__doc__)
    options.add_argument("folder")
    options.add_argument("--out", default="few_shot.safetensors", help="checkpoint to write")
    options.add_argument("--method", choices=METHODS, default="adapter")
    options.add_argument("--shots", type=int, default=16)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--model", default="embedded")
    options.add_argument("--views", default="ring-6")
    options.add_argument("--style", default="auto")
    options.add_argument("--points", type=int, default=20_000)
    options.add_argument("--up", default="y")
    options.add_argument("--cache", help="folder for features and stopped runs; the user's own cache by default")
    args = options.parse_args()

    train, val, test = splits(args.folder, args.seed, num_points=args.points, up=args.up)
    model = pc.PointCLIP.from_pretrained(args.model, views=args.views, style=args.style)
    result = pc.fit(
        model, train, val, shots=args.shots, method=args.method, seed=args.seed, out=args.out, cache=args.cache
    )
    print(f"{args.out}: {len(result.labels)} classes, {result.num_train} shots, chosen on {result.validation}")
    told = {"checkpoint": args.out, **result.checkpoint.about}
    if len(test):
        told |= report(model, result, test, args.cache)
        for name in ("zero_shot", "few_shot"):
            numbers = ", ".join(f"{key} {100 * value:.1f} %" for key, value in told[name].items())
            print(f"{name} on {told['num_test']} test shapes: {numbers}")
    else:
        print("every class has a single shape: nothing is left to test on")
    Path(args.out).with_suffix(".json").write_text(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
