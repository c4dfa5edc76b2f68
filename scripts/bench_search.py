"""Time the search of an index of random unit vectors: pointclip.search.index against one product and a full sort.

Run: python scripts/bench_search.py [--shapes 1000000] [--channels 384] [--threads 2] [--file FILE]
"""

import statistics
import tempfile
import time
from pathlib import Path

import torch
from _common import birth_certificate, parser
from torch.nn.functional import normalize

from pointclip import __version__
from pointclip.cameras import views
from pointclip.feature_spec import FeatureSpec
from pointclip.search import Origin, ShapeIndex, write_index

QUERIES, K = 7, 10


def make(path: Path, shapes: int, channels: int) -> None:
    """Write an index of random unit vectors."""
    generator = torch.Generator().manual_seed(0)
    features = torch.empty(shapes, channels)
    for part in features.split(50_000):
        part.copy_(normalize(torch.randn(part.shape, generator=generator), dim=-1))
    spec = FeatureSpec.of("random", "random", views("ring-6"), "auto")
    names = [f"shapes/{number % 1000:03d}/{number:07d}.obj" for number in range(shapes)]
    write_index(path, features, names, Origin(spec, 20_000, "y", 0, __version__))


def full_sort(index: ShapeIndex, query: torch.Tensor) -> list[int]:
    """Multiply the whole matrix at once and sort all of it."""
    scores = index._features[:] @ query
    return scores.sort(descending=True, stable=True).indices[:K].tolist()


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--shapes", type=int, default=1_000_000)
    options.add_argument("--channels", type=int, default=384)
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--file", type=Path, help="keep the index here, or use the one that is here")
    arguments = options.parse_args()
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        path = arguments.file or Path(folder) / "shapes.safetensors"
        if not path.exists():
            make(path, arguments.shapes, arguments.channels)
        start = time.perf_counter()
        index = ShapeIndex(path)
        opened = time.perf_counter() - start
        queries = normalize(torch.randn(QUERIES, index.channels, generator=torch.Generator().manual_seed(1)), dim=-1)
        ours, plain, same = [], [], 0
        for query in queries:
            start = time.perf_counter()
            hits = index.search(query, K)
            ours.append(time.perf_counter() - start)
            start = time.perf_counter()
            truth = full_sort(index, query)
            plain.append(time.perf_counter() - start)
            same += [hit.index for hit in hits] == truth
        size = path.stat().st_size / 1e9
    print(*(f"{name} {value}" for name, value in birth_certificate().items()), sep=", ")
    print(f"{len(index):,} shapes of {index.channels} channels, {size:.2f} GB")
    print(f"opened in {opened:.3f} s; first search {ours[0]:.3f} s")
    print(f"search, top {K}: median {statistics.median(ours):.3f} s, worst {max(ours):.3f} s")
    print(f"product and full sort: median {statistics.median(plain):.3f} s; same answer in {same} of {QUERIES}")


if __name__ == "__main__":
    main()
