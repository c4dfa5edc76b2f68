"""Deep glTF scenes made flat: each node with a mesh in its place, whatever stood above it."""

from typing import Any

import numpy as np

Tree = dict[str, Any]
_DEEP = 100
_REFERENCES = frozenset(
    (
        "attributes",
        "indices",
        "mesh",
        "material",
        "children",
        "nodes",
        "scene",
        "bufferView",
        "buffer",
        "source",
        "index",
    )
)


def check_references(tree: Tree) -> None:
    """Refuse numbers of parts that are below zero, which would count from the end.

    Raises:
        ValueError: There is one.
    """
    waiting: list[tuple[str, Any]] = [("", tree)]
    while waiting:
        key, value = waiting.pop()
        if isinstance(value, dict):
            inside = "attributes" if key in ("attributes", "targets") else ""
            waiting += [(inside or name, part) for name, part in value.items()]
        elif isinstance(value, list):
            waiting += [(key, part) for part in value] if key in _REFERENCES or _holds_parts(value) else []
        elif key in _REFERENCES and isinstance(value, int | float) and value < 0:
            raise ValueError(f"a part of the number {value}")


def _holds_parts(values: list[Any]) -> bool:
    return any(isinstance(value, dict | list) for value in values)


def flatten_deep(tree: Tree) -> None:
    """Put the nodes with a mesh of a scene more than 100 levels deep side by side; others stay as they are."""
    nodes = tree.get("nodes", [])
    roots = tree["scenes"][tree.get("scene", 0)].get("nodes", []) if tree.get("scenes") else []
    placed, deepest = [], 0
    waiting = [(at, np.eye(4), 1) for at in reversed(roots)]
    seen: set[int] = set()
    while waiting:
        at, above, depth = waiting.pop()
        if at in seen:
            continue  # a node has one parent
        seen.add(at)
        here = above @ local_matrix(nodes[at])
        deepest = max(deepest, depth)
        if "mesh" in nodes[at]:
            placed.append({"mesh": nodes[at]["mesh"], "matrix": here.T.reshape(-1).tolist()})
        waiting += [(child, here, depth + 1) for child in reversed(nodes[at].get("children", []))]
    if deepest <= _DEEP:
        return
    tree["nodes"], tree["scene"] = placed, 0
    tree["scenes"] = [{"nodes": list(range(len(placed)))}]
    for key in ("skins", "animations", "cameras"):  # they name nodes by number
        tree.pop(key, None)


def local_matrix(node: Tree) -> np.ndarray:
    """Return the (4, 4) matrix of a node, written whole or as translation, rotation and scale.

    Example:
        >>> local_matrix({"translation": [1, 2, 3], "rotation": [0, 0, 0, 1]})[:3, 3].tolist()
        [1.0, 2.0, 3.0]
    """
    if "matrix" in node:
        return np.array(node["matrix"], dtype=np.float64).reshape(4, 4).T
    x, y, z, w = np.array(node.get("rotation", (0, 0, 0, 1)), dtype=np.float64)
    length = x * x + y * y + z * z + w * w
    twice = 2.0 / length if length > 0 else 0.0
    turn = np.eye(3) - twice * np.array(
        [
            [y * y + z * z, z * w - x * y, -x * z - y * w],
            [-x * y - z * w, x * x + z * z, x * w - y * z],
            [y * w - x * z, -y * z - x * w, x * x + y * y],
        ]
    )
    matrix = np.eye(4)
    matrix[:3, :3] = turn * np.array(node.get("scale", (1, 1, 1)), dtype=np.float64)
    matrix[:3, 3] = node.get("translation", (0, 0, 0))
    return matrix
