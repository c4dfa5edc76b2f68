"""Which axes are taken as up."""

from pointclip._base.checks import nearest
from pointclip.errors import InputError

POSES = ("given", "search")
UP_AXES = ("y", "z", "x", "-y", "-z", "-x")


def check_pose(pose: str) -> None:
    """Refuse what is no way to find the up axis.

    Raises:
        InputError: It is neither ``"given"`` nor ``"search"``.

    Example:
        >>> check_pose("search")
    """
    if pose not in POSES:
        raise InputError(f"pose {pose!r} is unknown: {nearest(str(pose), POSES)}")


def ups_of(pose: str) -> tuple[str, ...]:
    """Name the axes that are taken as up, in their order.

    Example:
        >>> ups_of("given"), len(ups_of("search"))
        (('y',), 6)
    """
    return UP_AXES if pose == "search" else UP_AXES[:1]
