"""One folder of all the files that people have at once: a table, a sentence for each that cannot be read, code 2."""

import os
import re
import time
from pathlib import Path

from support.field_cases import needed, scripts, write

from pointclip.datasets.paths import find_shapes
from pointclip.errors import PointClipError
from pointclip.points import load


def read_all(items):
    """Read without a model; give the seconds and the files that cannot be read."""
    start, bad = time.perf_counter(), []
    for item in items:
        try:
            load(item.path, 300)
        except PointClipError:
            bad.append(item.path)
    return time.perf_counter() - start, bad


@needed
def test_all_field_cases_in_one_folder(classify, tmp_path, monkeypatch, recwarn):
    (tmp_path / "all").mkdir()
    monkeypatch.chdir(tmp_path / "all")
    for script in sorted(scripts() - {"big_cloud"}):
        write(script)
    named = [".", *(f"./{name}" for name in sorted(os.listdir()) if Path(name).is_file())]  # noqa: PTH208
    recwarn.clear()
    items = find_shapes(named)
    seconds, bad = read_all(items)
    start = time.perf_counter()
    ran = classify(*named, "--labels", "ball,box", "--json", "--csv", "../out.csv")
    whole = time.perf_counter() - start
    assert ran.code == 2
    assert ran.json["counts"] == {"files": len(items), "classified": len(items) - len(bad), "failed": len(bad)}
    assert len(items) > 140 and 20 < len(bad) < 45
    errors = [shape["error"] for shape in ran.json["shapes"] if "error" in shape]
    assert ran.err.splitlines() == [
        *(f"error: {error}" for error in errors),
        f"error: {len(bad)} of {len(items)} shapes could not be classified",
    ]
    assert all(re.search(": |. Known: ", error) and "fault" not in error and len(error) < 350 for error in errors)
    assert ran.json["notes"][0].startswith("left out of the folders: 1 .3ds, 1 .blend")
    assert whole < 2 * seconds + 10, "reading takes turns with encoding on a small machine"
    assert not [warning.message for warning in recwarn]
