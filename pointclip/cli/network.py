"""The model a command was asked for."""

from typing import TYPE_CHECKING

from pointclip.cli import console as _console
from pointclip.cli import options as _options

if TYPE_CHECKING:
    from pointclip.model import PointCLIP


def load_network(chosen: _options.Settings) -> "PointCLIP":
    from pointclip.model import PointCLIP

    with _console.waiting(f"loading {chosen.model}"):
        return PointCLIP.from_pretrained(
            chosen.model,
            views=None if chosen.adapter else chosen.views,
            style=None if chosen.adapter else chosen.style,
            adapter=chosen.adapter,
            templates=chosen.templates,
            device=chosen.device,
            precision=chosen.precision,
            drop_outliers=chosen.drop_outliers,
            skip_background=chosen.skip_background,
        )


def about(network: "PointCLIP") -> str:
    known = f"{network.clip.name} on {network.device}, {network.clip.precision.name}"
    return f"{known}: a small default that needs no network, not CLIP" if network.clip.name == "embedded" else known
