"""Chunk sizes of the reference backend."""

CHUNK = 1 << 18


def chunks(num_rows: int, num_points: int) -> list[slice]:
    """Cut the points so that one (rows, points) intermediate holds about ``CHUNK`` numbers.

    Example:
        >>> chunks(CHUNK // 4, 10)
        [slice(0, 4, None), slice(4, 8, None), slice(8, 10, None)]
    """
    step = max(1, CHUNK // max(1, num_rows))
    return [slice(start, min(start + step, num_points)) for start in range(0, num_points, step)]
