"""The table of image styles: frozen settings, one class for each way to turn a shape into a picture."""

from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

from pointclip._base.checks import nearest
from pointclip.errors import InputError

NORMALS_FROM = ("auto", "given", "fit", "depth")


@dataclass(frozen=True)
class Style:
    """Settings that every style has, about what comes before and after the drawing.

    Args:
        unit_sphere: The model centres each cloud and scales it to the unit sphere first.
        clip_normalized: The encoder subtracts its mean and divides by its standard deviation.

    Attributes:
        surfaces: Draws a mesh by its triangles; the other styles draw samples of it.
        sees_through: Glass tints what lies behind it; to the other styles it is a surface like any other.
    """

    unit_sphere: bool = True
    clip_normalized: bool = True
    surfaces: ClassVar[bool] = False
    sees_through: ClassVar[bool] = False


@dataclass(frozen=True)
class Framed(Style):
    """Settings of the styles that are projected by the views' own cameras and fitted to the frame.

    Args:
        supersample: The picture is made this many times larger and averaged down by area.
        fit: Zoom each cloud so that it fills the picture in its largest view; False leaves it where the cameras see it.
        margin: Share of the picture left free on each side of the largest view.
        background: Grey of what no point covers, 0 black to 1 white.
        dot_px: Radius of a point in pixels of the enlarged picture.
        closing: How wide a gap between samples is closed, in multiples of their measured spacing; 0 leaves the holes.
    """

    supersample: int = 2
    fit: bool = True
    margin: float = 0.06
    background: float = 1.0
    dot_px: float = 1.0
    closing: float = 1.5

    def __post_init__(self) -> None:
        if self.supersample not in (1, 2, 3, 4):
            raise InputError(f"supersample must be 1, 2, 3 or 4, got {self.supersample}")
        if not 0 <= self.margin < 0.5:
            raise InputError(f"margin must be at least 0 and below 0.5, got {self.margin}")
        if not 0 <= self.background <= 1:
            raise InputError(f"background must be between 0 (black) and 1 (white), got {self.background}")
        if self.dot_px < 0 or self.closing < 0:
            raise InputError(f"dot_px and closing must not be negative, got {self.dot_px} and {self.closing}")


@dataclass(frozen=True)
class Depth(Framed):
    """Depth as grey: ``near`` at the nearest visible point of all views, ``far`` at the farthest."""

    near: float = 0.1
    far: float = 0.8
    surfaces: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (0 <= self.near <= 1 and 0 <= self.far <= 1):
            raise InputError(f"near and far must be between 0 and 1, got {self.near} and {self.far}")


@dataclass(frozen=True)
class Contour(Depth):
    """Depth as grey after a dilation and a bilateral filter: smooth surfaces whose depth edges stay sharp.

    Args:
        depth_sigma: Difference of depth, in shares of the shape's depth, at which a neighbour counts 0.6 times.
    """

    supersample: int = 1
    dot_px: float = 0.0
    closing: float = 1.0
    depth_sigma: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.depth_sigma > 0:
            raise InputError(f"depth_sigma must be above 0, got {self.depth_sigma}")


@dataclass(frozen=True)
class Soft(Depth):
    """Depth as grey, drawn with soft footprints: differentiable in the points and the cameras.

    Args:
        footprint: Standard deviation of a point's footprint in multiples of the measured spacing of the samples.
        tau: A point this share of the shape's depth behind the front one counts e times less.
    """

    supersample: int = 1
    footprint: float = 0.8
    tau: float = 0.02
    surfaces: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.footprint > 0 and self.tau > 0):
            raise InputError(f"footprint and tau must be above 0, got {self.footprint} and {self.tau}")


@dataclass(frozen=True)
class Shaded(Framed):
    """A lit grey surface: ``ambient + (1 - ambient) max(0, n . light)``, n the normal on the camera's side.

    Args:
        ambient: Grey of what the lamp does not reach.
        light: Direction from the surface to the lamp in camera axes (x right, y down, z away): (0, 0, -1) is a
            headlight.
        normals_from: ``"given"``, those of the cloud; ``"fit"``, planes fitted to each point's neighbours; ``"depth"``,
            the slope of the depth map; ``"auto"``, given where there are any, else depth.
        neighbours: Points per fitted plane.
    """

    ambient: float = 0.2
    light: tuple[float, float, float] = (0.0, 0.0, -1.0)
    normals_from: str = "auto"
    neighbours: int = 16
    surfaces: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.ambient <= 1:
            raise InputError(f"ambient must be between 0 and 1, got {self.ambient}")
        if len(self.light) != 3 or not sum(x * x for x in self.light) > 0:
            raise InputError(f"light must be a direction of three numbers, not all zero, got {self.light}")
        if self.normals_from not in NORMALS_FROM:
            raise InputError(
                f"normals_from={self.normals_from!r} is unknown: {nearest(self.normals_from, NORMALS_FROM)}"
            )
        if self.neighbours < 3:
            raise InputError(f"neighbours must be at least 3, got {self.neighbours}")


@dataclass(frozen=True)
class Color(Shaded):
    """The shape's own colours, lit as in :class:`Shaded` where normals are known."""

    ambient: float = 0.4
    sees_through: ClassVar[bool] = True


@dataclass(frozen=True)
class PaperDepth(Style):
    """The depth map of PointCLIP's public code (Zhang et al., CVPR 2022), faults included, to reproduce its numbers.

    Mirrored, black where nothing is, seen through, and made of depths, which may exceed 1. The cloud is taken as it is
    and the encoder's mean and standard deviation are left out, as there. Only the rotations of the views count.

    Args:
        resolution: Side of the depth map in pixels; None is 128 for ``pointclip-6`` (zero-shot), else 224 (few-shot).
        distance: From the camera to the origin; None is 1.6 for ``pointclip-6``, else 1.4.
    """

    unit_sphere: bool = False
    clip_normalized: bool = False
    resolution: int | None = None
    distance: float | None = None

    def __post_init__(self) -> None:
        if self.resolution is not None and self.resolution < 1:
            raise InputError(f"resolution must be at least 1 pixel, got {self.resolution}")
        if self.distance is not None and not self.distance > 0:
            raise InputError(f"distance must be above 0, got {self.distance}")


@dataclass(frozen=True)
class Realistic(Style):
    """The picture of PointCLIP V2 (Zhu et al., ICCV 2023): a grid of 112 cells, dilated, smoothed, near dark on white.

    Parallel projection, each view scaled on its own; only the rotations of the views count. As there, the cloud is
    taken as it is, and the encoder's mean and standard deviation are left out.
    """

    unit_sphere: bool = False
    clip_normalized: bool = False


STYLES: dict[str, Style] = {
    "shaded": Shaded(),
    "depth": Depth(),
    "color": Color(),
    "contour": Contour(),
    "soft": Soft(),
    "realistic": Realistic(),
    "pointclip": PaperDepth(),
}
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
        pointclip.errors.InputError: no style is named 'shadd': did you mean 'shaded'? Known: auto, color, contour, \
depth, pointclip, realistic, shaded, soft
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
