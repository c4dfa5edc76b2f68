"""Every architecture of open_clip with random weights: the form its image tower runs in, and whether it is the tower.

    python scripts/architectures.py --most 6                      # those whose image tower fits in so many GB
    python scripts/architectures.py RN50 ViT-B-32 --csv forms.csv

One random picture goes through open_clip's own forward and through what ``FrozenClip`` runs in float32. A row gives the
form, the cosine of the two features and the largest difference over the features' length; or the reason why not. Only
image towers are built: a text tower may need files of the hub. The exit code is 1 where features differ.
"""

import gc
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from _common import parser, write_csv

COLUMNS = ("architecture", "parameters_m", "form", "cosine", "difference", "note")
LEAST_COSINE = 0.99999


def image_tower(arch: str, device: str = "cpu") -> Any:
    """Build an image tower with random weights that the seed decides; on ``meta``, without any."""
    import open_clip
    from open_clip.model import _build_vision_tower

    config = open_clip.get_model_config(arch)
    torch.manual_seed(0)
    with torch.device(device):
        quick = config.get("quick_gelu", False)
        return _build_vision_tower(config["embed_dim"], config["vision_cfg"], quick).eval().requires_grad_(False)


@torch.inference_mode()
def compared(arch: str) -> dict[str, Any]:
    """Run a tower both ways."""
    import open_clip

    from pointclip.clip.precision import features, place

    tower = image_tower(arch)
    size = open_clip.get_model_config(arch)["vision_cfg"].get("image_size", 224)
    side = size if isinstance(size, int) else size[0]
    placed, _ = place(tower, torch.device("cpu"), "fp32", side, f"random {arch}")
    picture = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(1))
    own, ours = (features(one, picture).double() for one in (tower, placed))
    own, ours = (one.flatten(0, -2)[0] if one.ndim > 1 else one for one in (own, ours))
    told = {"form": form(tower, placed), "cosine": f"{torch.cosine_similarity(own, ours, dim=0):.7f}"}
    return told | {"difference": f"{(own - ours).abs().max() / own.norm():.1e}"}


def form(tower: Any, placed: Any) -> str:
    """Word what was made of a tower."""
    if type(placed) is not type(tower):
        return "plain ViT"
    names = [sum(1 for _ in one.modules()) for one in (tower, placed)]
    return "own" if names[0] == names[1] else "folded"


def row(arch: str, most_gb: float) -> dict[str, Any]:
    """Give an architecture's row; whatever goes wrong becomes a sentence."""
    try:
        count = sum(tensor.numel() for tensor in image_tower(arch, "meta").parameters())
        known = {"architecture": arch, "parameters_m": round(count / 1e6)}
        if 4e-9 * count > most_gb:
            return {**known, "note": f"left out: {4e-9 * count:.1f} GB of weights"}
        return {**known, **compared(arch)}
    except Exception as error:
        return {"architecture": arch, "note": f"{type(error).__name__}: {' '.join(str(error).split())[:150]}"}
    finally:
        gc.collect()


def main(arguments: list[str] | None = None) -> int:
    options = parser(__doc__)
    options.add_argument("names", nargs="*", help="architectures; all by default")
    options.add_argument("--most", type=float, default=6.0, help="GB of weights of an image tower")
    options.add_argument("--csv", type=Path, help="table to write")
    args = options.parse_args(arguments)
    import open_clip

    rows, wrong = [], 0
    with tempfile.TemporaryDirectory() as folder:
        os.environ["POINTCLIP_CACHE"] = folder  # measured here, not remembered
        for arch in args.names or open_clip.list_models():
            rows.append(dict.fromkeys(COLUMNS, "") | row(arch, args.most))
            wrong += bool(rows[-1]["cosine"]) and float(rows[-1]["cosine"]) < LEAST_COSINE
            print(*(f"{rows[-1][column]!s:<12}" for column in COLUMNS), flush=True)
    print(f"{len(rows)} architectures, {sum(bool(one['cosine']) for one in rows)} run, {wrong} differ")
    if args.csv:
        write_csv(args.csv, rows)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
