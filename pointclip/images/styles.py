"""The table of image styles: frozen settings, one class for each way to turn a shape into a picture."""

from dataclasses import dataclass, fields, replace
from typing import Any

from pointclip._checks import nearest
from pointclip.errors import InputError


@dataclass(frozen=True)
class Style:
    """Settings that every style shares.

    Args:
        supersample: The picture is made this many times larger and averaged down by area.
        margin: Share of the picture left free on each side of the largest view.
        background: Grey of what no point covers, 0 black to 1 white.
        dot_px: Radius of a point in pixels of the enlarged picture.
        closing: How wide a gap between samples is closed, in multiples of their measured spacing; 0 leaves the holes.
    """

    supersample: int = 2
    margin: float = 0.06
    background: float = 1.0
    dot_px: float = 1.0
    closing: float = 1.5

    def __post_init__(self) -> None:
        if self.supersample not in (1, 2, 3, 4):
            raise InputError(f"supersample must be 1, 2, 3 or 4, got {self.supersample}")
        if not 0 <= self.background <= 1:
            raise InputError(f"background must be between 0 (black) and 1 (white), got {self.background}")
        if self.dot_px < 0 or self.closing < 0:
            raise InputError(f"dot_px and closing must not be negative, got {self.dot_px} and {self.closing}")


@dataclass(frozen=True)
class Depth(Style):
    """Depth as grey: ``near`` at the nearest visible point of all views, ``far`` at the farthest."""

    near: float = 0.1
    far: float = 0.8


@dataclass(frozen=True)
class Shaded(Style):
    """A lit grey surface: ``ambient + (1 - ambient) max(0, n . light)``, n the normal on the camera's side.

    ``light`` points from the surface to the lamp in camera axes (x right, y down, z away): (0, 0, -1) is a headlight.
    Without normals, they come from the depth map itself.
    """

    ambient: float = 0.2
    light: tuple[float, float, float] = (0.0, 0.0, -1.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.ambient <= 1:
            raise InputError(f"ambient must be between 0 and 1, got {self.ambient}")
        if len(self.light) != 3 or not sum(x * x for x in self.light) > 0:
            raise InputError(f"light must be a direction of three numbers, not all zero, got {self.light}")


@dataclass(frozen=True)
class Color(Shaded):
    """The shape's own colours, lit as in :class:`Shaded` where normals are known."""

    ambient: float = 0.4


STYLES: dict[str, Style] = {"depth": Depth(), "shaded": Shaded(), "color": Color()}
AUTO = "auto"


def style_names() -> list[str]:
    """List what ``style=`` takes.

    Example:
        >>> style_names()[0]
        'auto'
    """
    return [AUTO, *STYLES]


def style(name: str | Style, **settings: Any) -> Style:
    """Look up a style by name, with settings of one's own.

    Args:
        name: A name of the table (``"auto"`` is for :class:`pointclip.PointCLIP`, which knows the cloud), or a style.
        settings: Fields to change.

    Raises:
        InputError: No such style or setting; the message suggests the nearest.

    Example:
        >>> style("depth", background=0.0).background
        0.0
        >>> style("shadd")
        Traceback (most recent call last):
        ...
        pointclip.errors.InputError: no style is named 'shadd': did you mean 'shaded'? Known: auto, color, depth, shaded
    """
    if not isinstance(name, Style):
        if name not in STYLES:
            raise InputError(f"no style is named {name!r}: {nearest(str(name), style_names())}")
        name = STYLES[name]
    known = [field.name for field in fields(name)]
    for setting in settings:
        if setting not in known:
            raise InputError(f"{type(name).__name__} has no setting {setting!r}: {nearest(setting, known)}")
    return replace(name, **settings)
