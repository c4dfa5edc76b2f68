"""Train the head of the ``embedded`` model and choose its settings on a validation part of the train split.

    python scripts/train_embedded_head.py --root /usr/share/sweethome3d/furniture

Data: the 287 train meshes of assets/sweethome3d.csv (three libraries of Debian's sweethome3d-furniture). The test
split is never opened. Validation leaves one library out: heads are trained without BlendSwap-CC-BY and scored on it,
then likewise Scopia, as the test split too holds libraries never seen. Written: assets/embedded_head.safetensors and
assets/bench/embedded_head_validation.csv.

The head is linear without a bias, so the length of an image feature does not matter. ``ridge`` solves for sentence
embeddings of the labels (centred; a constant offset changes no ranking); ImageNet's 1000 class prototypes with their
names are extra pairs, for classes that no mesh shows. ``softmax`` starts from ridge and goes on with cross-entropy.
"""

import hashlib
import itertools
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from _common import ASSETS, BENCH, birth_certificate, parser, percentages, write_csv
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from pointclip import images
from pointclip._base.files import whole
from pointclip.cameras import Views, look_at, views
from pointclip.datasets import FURNITURE_FOLDER, SweetHome3D, read_rows
from pointclip.weights import embedded

HELD_OUT = ("BlendSwap-CC-BY.sh3f", "Scopia.sh3f")
POINTS = 20_000


@dataclass(frozen=True)
class Pictures:
    """One way to draw every mesh."""

    style: str
    rig: str
    num_points: int = POINTS


SHADED, DEPTH = Pictures("shaded", "ring-6"), Pictures("depth", "ring-6")
SPARSE, COLOR = Pictures("depth", "ring-6", 2048), Pictures("color", "ring-6")
RANDOM = Pictures("shaded", "random-12")
FEW, AXES = Pictures("shaded", "ring-6", 5000), Pictures("shaded", "pointclip-6")
ORBIT = Pictures("shaded", "orbit-12")
TRAIN_SETS = {
    "shaded": (SHADED,),
    "depth": (DEPTH,),
    "color": (COLOR,),
    "shaded, random yaw and elevation": (SHADED, RANDOM),
    "shaded+depth": (SHADED, DEPTH),
    "shaded+depth+sparse depth": (SHADED, DEPTH, SPARSE),
    "shaded+depth+sparse depth, random yaw and elevation": (SHADED, DEPTH, SPARSE, RANDOM),
    "shaded+color+depth": (SHADED, COLOR, DEPTH),
    "shaded 5,000 points": (FEW,),
    "shaded pointclip-6": (AXES,),
    "shaded orbit-12": (ORBIT,),
}
SYNONYMS = {
    "sofa": ("couch",), "bookcase": ("bookshelf",), "nightstand": ("night stand",), "cup": ("mug",),
    "potted plant": ("plant", "flower pot"), "computer monitor": ("monitor",), "computer keyboard": ("keyboard",),
    "staircase": ("stairs",), "cabinet": ("dresser",), "fireplace": ("mantel",), "television": ("tv",),
    "trash can": ("garbage can",),
}  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """How to solve for the head."""

    train_on: str
    method: str = "ridge"
    ridge: float = 0.03
    prototypes: float = 0.1
    balance: float = 1.0
    synonyms: bool = False


class Bench:
    """The train meshes, their features and the sentences of their labels."""

    def __init__(self, root: Path, cache: Path) -> None:
        self.data = SweetHome3D(root, split="train", num_points=POINTS)
        self.cache, self.model, self.tokenizer = cache, *embedded.headless()
        self.model.visual.trunk.to(memory_format=torch.channels_last)
        self.labels = self.data.labels
        self.target = torch.tensor([self.labels.index(row.label) for row in self.data.rows])
        self.library = [row.archive for row in self.data.rows]
        self.text = self.sentences(self.labels)
        with_synonyms = [normalize(self.sentences([x, *SYNONYMS.get(x, ())]).mean(0), dim=0) for x in self.labels]
        self.text_synonyms = torch.stack(with_synonyms)
        from open_clip import IMAGENET_CLASSNAMES

        self.prototypes = normalize(embedded.imagenet_classifier()[0], dim=1)
        self.prototype_text = self.sentences(list(IMAGENET_CLASSNAMES))

    @torch.no_grad()
    def sentences(self, sentences: list[str]) -> Tensor:
        return normalize(self.model.encode_text(self.tokenizer(sentences)).float(), dim=-1)

    @torch.inference_mode()
    def features(self, pictures: Pictures) -> Tensor:
        """Features of the trunk, (shapes, V, 1280); kept on disk, for this is nearly all of the time."""
        path = self.cache / f"{pictures.style}_{pictures.rig}_{pictures.num_points}.pt"
        if not path.is_file():
            found = []
            for index in range(len(self.data)):
                cloud = self.data.item(index)[0]
                found.append(self._trunk(draw(cloud, pictures, index)))
                print(f"\r{pictures}: {index + 1} of {len(self.data)}", end="", file=sys.stderr)
            print(file=sys.stderr)
            path.parent.mkdir(parents=True, exist_ok=True)
            with whole(path) as draft:
                torch.save(torch.stack(found), draft)
        return torch.load(path, weights_only=True)

    def _trunk(self, pictures: Tensor) -> Tensor:
        normalised = ((pictures - embedded.MEAN[0]) / embedded.STD[0]).contiguous(memory_format=torch.channels_last)
        return self.model.visual.trunk(normalised)

    def train_set(self, name: str) -> Tensor:
        return torch.cat([self.features(pictures) for pictures in TRAIN_SETS[name]], dim=1).clone()


def draw(cloud, pictures: Pictures, seed: int) -> Tensor:
    """Pictures (V, 3, 224, 224) of one shape."""
    keep = slice(0, pictures.num_points)
    rig = random_rig(12, seed) if pictures.rig == "random-12" else views(pictures.rig)
    style = "shaded" if pictures.style == "color" and cloud.colors is None else pictures.style
    normals = None if style == "depth" else cloud.normals[keep][None]
    colors = cloud.colors[keep][None] if style == "color" else None
    return images.render(cloud.points[keep][None], rig, images.style(style), embedded.IMAGE_SIZE, normals, colors)[0]


def random_rig(num_views: int, seed: int) -> Views:
    """Views at random yaws and at elevations between -10 and 60 degrees."""
    generator = torch.Generator().manual_seed(seed)
    yaw = torch.rand(num_views, generator=generator) * 2 * torch.pi
    up = (torch.rand(num_views, generator=generator) * 70 - 10).deg2rad()
    directions = torch.stack([yaw.sin() * up.cos(), up.sin(), yaw.cos() * up.cos()], dim=1)
    like = views("ring-1")
    names = tuple(map(str, range(num_views)))
    return Views(look_at(directions), like.translations.repeat(num_views, 1), like.focal.repeat(num_views), True, names)


def solve(bench: Bench, settings: Settings, features: Tensor, target: Tensor) -> Tensor:
    """Solve for the head's weight (384, 1280)."""
    num_views = features.shape[1]
    seen = sorted(set(target.tolist()))
    text = bench.text_synonyms if settings.synonyms else bench.text
    centre = text[seen].mean(0)
    share = torch.bincount(target, minlength=len(text)).float()[target] ** -settings.balance
    share = (share / share.mean()).repeat_interleave(num_views) / num_views
    x = torch.cat([normalize(features, dim=-1).flatten(0, 1), bench.prototypes])
    y = torch.cat([(text - centre)[target].repeat_interleave(num_views, 0), bench.prototype_text - centre])
    weight = torch.cat([share, torch.full((len(bench.prototypes),), settings.prototypes)])[:, None]
    gram = (x * weight).T @ x + settings.ridge * torch.eye(x.shape[1])
    solution = torch.linalg.solve(gram, (x * weight).T @ y).T
    return fine_tune(bench, solution, features, target, seen) if settings.method == "softmax" else solution


def fine_tune(bench: Bench, start: Tensor, features: Tensor, target: Tensor, seen: list[int]) -> Tensor:
    """Go on from the ridge head with a contrastive loss: image features against the label texts, and prototypes."""
    generator = torch.Generator().manual_seed(0)
    change = torch.zeros_like(start, requires_grad=True)
    text, place = bench.text[seen], {label: i for i, label in enumerate(seen)}
    goal = torch.tensor([place[int(t)] for t in target])
    optimizer = torch.optim.Adam([change], lr=2e-3)
    unit = normalize(features, dim=-1)
    for _ in range(80):
        view = torch.randint(0, unit.shape[1], (len(unit),), generator=generator)
        some = torch.randint(0, len(bench.prototypes), (256,), generator=generator)
        shapes = normalize(unit[torch.arange(len(unit)), view] @ (start + change).T, dim=-1)
        known = normalize(bench.prototypes[some] @ (start + change).T, dim=-1)
        loss = cross_entropy(20 * shapes @ text.T, goal, label_smoothing=0.1)
        loss = loss + 0.3 * cross_entropy(20 * known @ bench.prototype_text.T, some)
        loss = loss + change.square().sum() / len(unit)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return (start + change).detach()


def cosines(bench: Bench, weight: Tensor, features: Tensor) -> Tensor:
    """Mean over views of the cosine to every label, (shapes, K)."""
    return (normalize(normalize(features, dim=-1) @ weight.T, dim=-1) @ bench.text.T).mean(1)


def validate(bench: Bench, settings: Settings, *shown: Pictures) -> list[tuple[Tensor, Tensor]]:
    """For each way to draw: cosines of the shapes of the libraries left out, and their targets."""
    train = bench.train_set(settings.train_on)
    held = [torch.tensor([name == library for name in bench.library]) for library in HELD_OUT]
    heads = [solve(bench, settings, train[~out], bench.target[~out]) for out in held]
    target = torch.cat([bench.target[out] for out in held])
    found = []
    for pictures in shown:
        features = bench.features(pictures).clone()
        parts = [cosines(bench, head, features[out]) for head, out in zip(heads, held, strict=True)]
        found.append((torch.cat(parts), target))
    return found


def grid() -> list[Settings]:
    """The settings tried: the solver first, then what to train on."""
    every = "shaded+depth+sparse depth"
    solvers = [
        Settings(every, ridge=ridge, prototypes=prototypes, balance=balance)
        for ridge, prototypes, balance in itertools.product((0.01, 0.03, 0.1, 0.3), (0.0, 0.1, 0.3), (0.5, 1.0))
    ]
    others = [Settings(every, method="softmax"), Settings(every, synonyms=True)]
    sets = [
        Settings(name, ridge=ridge, prototypes=prototypes)
        for name in TRAIN_SETS
        if name != every
        for ridge, prototypes in ((0.03, 0.1), (0.1, 0.3))
    ]
    return solvers + others + sets


def temperature(logits: Tensor, target: Tensor) -> float:
    """The factor on cosines with the least cross-entropy."""
    scales = torch.arange(5.0, 100.0, 0.5)
    losses = [cross_entropy(scale * logits, target).item() for scale in scales]
    return scales[int(torch.tensor(losses).argmin())].item()


def run(bench: Bench) -> tuple[Settings, list[dict], float]:
    """Score every setting on what ``auto`` draws: meshes shaded, dense and sparse clouds as depth; best mean wins."""
    rows = []
    for settings in grid():
        own = TRAIN_SETS[settings.train_on][0]
        found = validate(bench, settings, SHADED, DEPTH, SPARSE, own)
        figures: dict[str, float] = {}
        for name, (logits, target) in zip(("shaded", "depth", "sparse", "own"), found, strict=True):
            told = percentages(logits, target)
            figures |= {f"{name}_top1": told["top1"], f"{name}_top5": told["top5"]}
        figures["mean"] = round(sum(list(figures.values())[:6]) / 6, 2)
        rows.append(asdict(settings) | figures)
        print(*rows[-1].values(), sep="\t", flush=True)
    best = max(range(len(rows)), key=lambda i: rows[i]["mean"])
    settings = grid()[best]
    return settings, rows, temperature(*validate(bench, settings, SHADED)[0])


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--root", type=Path, default=FURNITURE_FOLDER, help="folder with the five .sh3f libraries")
    options.add_argument("--cache", type=Path, default=Path("build/embedded_head"), help="where features are kept")
    options.add_argument("--out", type=Path, default=ASSETS / embedded.HEAD_ASSET)
    arguments = options.parse_args()
    bench = Bench(arguments.root, arguments.cache)
    settings, rows, scale = run(bench)
    weight = solve(bench, settings, bench.train_set(settings.train_on), bench.target)
    write_csv(BENCH / "embedded_head_validation.csv", [row | birth_certificate() for row in rows])
    metadata = about(settings, rows, scale)
    head = embedded.Head(weight, torch.zeros(len(weight)), torch.tensor(scale).log().item(), metadata)
    embedded.save_head(head, arguments.out)
    print(json.dumps(metadata, indent=1))


def about(settings: Settings, rows: list[dict], scale: float) -> dict[str, str]:
    """Say what the head was trained on, how, and under what licences."""
    birth, best = birth_certificate(), max(rows, key=lambda row: row["mean"])
    return {
        "trained_on": f"{sum(row.split == 'train' for row in read_rows())} meshes: assets/sweethome3d.csv, split train",
        "rows_sha256": hashlib.sha256((ASSETS / "sweethome3d.csv").read_bytes()).hexdigest(),
        **{name: birth[name] for name in ("command", "commit", "date")},
        "settings": json.dumps(asdict(settings)),
        "pictures": json.dumps([asdict(pictures) for pictures in TRAIN_SETS[settings.train_on]]),
        "validation": json.dumps({k: v for k, v in best.items() if "top" in k}) + " (one library left out)",
        "scale": str(scale),
        "licence": "Apache-2.0; training meshes CC-BY 3.0, credited in assets/SOURCES.md",
    }


if __name__ == "__main__":
    main()
