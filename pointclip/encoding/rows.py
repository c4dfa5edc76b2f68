"""A file of named tensors of one shape that grows in parts, each whole or absent."""

import hashlib
import json
import logging
import shutil
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor

from pointclip._base.cache import write_bytes

_PROBE, _DIGESTS = "probe", "digests"
_PROBE_TOLERANCE = 1e-3  # on unit vectors: over rounding between threads, under any other picture
_log = logging.getLogger(__name__)


class RowFile:
    """Keep rows in a safetensors file, and what was added since in a folder of parts beside it.

    Every file is written under another name first and carries a digest of each row and the probe, a row that says
    what made the others. A file that is cut, damaged or made by something else counts as absent, and the log says so.

    Args:
        path: The file.
        probe: What the maker of the rows makes of something fixed; files with another probe are stale.
    """

    def __init__(self, path: Path, probe: Tensor) -> None:
        self.path, self.probe = path, probe
        self.parts = path.with_suffix(".parts")

    def read(self, wanted: Collection[str]) -> dict[str, Tensor]:
        """Return those of the wanted rows that are there and whole."""
        found: dict[str, Tensor] = {}
        for path in self._files():
            found |= self._read(path, [name for name in wanted if name not in found])
        return found

    def add(self, rows: dict[str, Tensor]) -> None:
        """Write a part. A folder that cannot be written costs only the time to make the rows again."""
        if rows:
            name = hashlib.sha256("".join(sorted(rows)).encode()).hexdigest()[:16]
            self._write(self.parts / f"{name}.safetensors", rows)

    def merge(self) -> None:
        """Join file and parts into the file, and remove the parts."""
        rows: dict[str, Tensor] = {}
        for path in self._files():
            rows |= self._read(path, None)
        if self._write(self.path, rows):
            shutil.rmtree(self.parts, ignore_errors=True)

    def _files(self) -> list[Path]:
        return [self.path, *sorted(self.parts.glob("*.safetensors"))]

    def _read(self, path: Path, wanted: Collection[str] | None) -> dict[str, Tensor]:
        from safetensors import SafetensorError, safe_open

        if not path.is_file() or (wanted is not None and not wanted):
            return {}
        try:
            with safe_open(path, "pt") as file:
                digests = json.loads((file.metadata() or {})[_DIGESTS])
                if not self._same_maker(file.get_tensor(_PROBE)):
                    _log.warning("%s was made by another version or setting and will be made anew", path)
                    return {}
                names = digests.keys() if wanted is None else [name for name in wanted if name in digests]
                rows = {name: file.get_tensor(name) for name in names}
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            _log.warning("%s is cut or damaged (%s) and will be made anew", path, error)
            return {}
        whole = {name: row for name, row in rows.items() if _digest(row) == digests[name]}
        if len(whole) < len(rows):
            _log.warning("%s has %d damaged rows, which will be made anew", path, len(rows) - len(whole))
        return whole

    def _same_maker(self, probe: Tensor) -> bool:
        return probe.shape == self.probe.shape and torch.allclose(probe, self.probe, rtol=0, atol=_PROBE_TOLERANCE)

    def _write(self, path: Path, rows: dict[str, Tensor]) -> bool:
        from safetensors.torch import save

        metadata = {_DIGESTS: json.dumps({name: _digest(row) for name, row in rows.items()})}
        tensors = {name: row.contiguous() for name, row in (rows | {_PROBE: self.probe}).items()}
        try:
            write_bytes(path, save(tensors, metadata))
        except OSError as error:
            _log.warning("%s could not be written (%s): its features will be encoded again next time", path, error)
            return False
        with suppress(OSError):  # drafts of runs that were killed while they wrote this very file
            for draft in path.parent.glob(f"{path.name}*.part"):
                draft.unlink()
        return True


def _digest(row: Tensor) -> str:
    return hashlib.blake2b(row.contiguous().numpy().tobytes(), digest_size=8).hexdigest()
