"""Where the scripts lie that write files as people really have them: ``shared/field_cases`` beside the repository."""

import os
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLACES = [
    Path(os.environ.get("POINTCLIP_FIELD_CASES", "nowhere")),
    *(root / "shared/field_cases" for root in (ROOT, ROOT.parent)),
]
CASES = next((place for place in PLACES if place.is_dir()), Path("nowhere"))
needed = pytest.mark.skipif(not CASES.is_dir(), reason="shared/field_cases does not lie beside the repository")


def write(script):
    """Run a script, which writes its files into the working folder."""
    runpy.run_path(str(CASES / f"{script}.py"))


def scripts():
    """Name all scripts."""
    return {path.stem for path in CASES.glob("*.py")}
