"""Training that can be stopped at any moment: the state is kept every few seconds and the steps since are replayed.

A trainer's steps depend on its state and its arguments only, so a replayed step gives the same bytes as before: what a
kill costs is seconds of work, never a number.
"""

import hashlib
import io
import json
import logging
import pickle
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pointclip._base.cache import write_bytes
from pointclip.heads import AdapterTrainer

_SECONDS, _SHARE = 2.0, 20.0  # write no more often than this, nor for more than a twentieth of the time
_log = logging.getLogger(__name__)


class FitInterrupted(KeyboardInterrupt):
    """A fit was stopped by Ctrl-C; what was done is kept, and its message says how to go on."""


def key_of(*parts: Any) -> str:
    """Name a run by everything that decides it: tensors by their bytes, the rest as JSON.

    Example:
        >>> key_of(torch.zeros(2), {"seed": 0}) == key_of(torch.zeros(2), {"seed": 1})
        False
    """
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, Tensor):
            digest.update(f"{part.dtype}{tuple(part.shape)}".encode())
            digest.update(part.detach().cpu().contiguous().numpy().tobytes())
        else:
            digest.update(json.dumps(part, sort_keys=True).encode())
    return digest.hexdigest()[:32]


class State:
    """The kept state of one training run: one file, whole or absent.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._cost, self._last = 0.0, time.monotonic()

    def read(self) -> dict[str, Any] | None:
        """Return what was written last, or None where there is nothing that can be read."""
        try:
            return torch.load(self.path, weights_only=True, map_location="cpu")
        except FileNotFoundError:
            return None
        except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
            _log.warning("%s is damaged (%s): training starts over", self.path, error)
            return None

    def write(self, content: dict[str, Any]) -> None:
        """Keep this instead of what was kept; a place that cannot be written costs only the chance to resume."""
        start = time.monotonic()
        buffer = io.BytesIO()
        torch.save(content, buffer)
        try:
            write_bytes(self.path, buffer.getvalue())
            for draft in self.path.parent.glob(f"{self.path.name}*.part"):  # of runs killed while they wrote it
                draft.unlink(missing_ok=True)
        except OSError as error:
            _log.warning("%s could not be written (%s): this training cannot be resumed", self.path, error)
        self._last = time.monotonic()
        self._cost = self._last - start

    def due(self) -> bool:
        """Tell whether enough time has passed since the last write."""
        return time.monotonic() - self._last > max(_SECONDS, _SHARE * self._cost)

    def remove(self) -> None:
        """Forget the run."""
        self.path.unlink(missing_ok=True)


@contextmanager
def stop_requests() -> Iterator[Callable[[], bool]]:
    """Hold Ctrl-C back for the block, and give a function that tells whether it was pressed.

    A second Ctrl-C acts at once. Outside the main thread nothing is held back.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    before = signal.getsignal(signal.SIGINT)

    def ask(*_: Any) -> None:
        asked.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, ask)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)


def train(
    trainer: AdapterTrainer,
    state: State,
    on_epoch: Callable[[], None] | None = None,
    notes: list[Any] | None = None,
    epochs: int | None = None,
) -> None:
    """Train to the end from where a run of the same arguments stopped.

    Args:
        trainer: Newly built; its arguments decide the name of the state's file.
        state: Where its state is kept.
        on_epoch: Called after each epoch.
        notes: What ``on_epoch`` gathers, numbers and lists: kept and restored with the state.
        epochs: Stop after this many; None trains them all.

    Raises:
        FitInterrupted: Ctrl-C was pressed; the state is kept.
    """
    kept = state.read()
    if kept is not None:
        trainer.load_state_dict(kept["trainer"])
        if notes is not None:
            notes[:] = kept["notes"]
    last = trainer.recipe.epochs if epochs is None else epochs

    def keep() -> None:
        state.write({"trainer": trainer.state_dict(), "notes": notes or []})

    with stop_requests() as asked_to_stop:
        while trainer.epoch < last:
            before = trainer.epoch
            trainer.step()
            if on_epoch is not None and trainer.epoch > before:
                on_epoch()
            if asked_to_stop():
                keep()
                raise FitInterrupted(f"stopped in epoch {trainer.epoch + 1} of {trainer.recipe.epochs}: {HOW_TO_GO_ON}")
            if state.due():
                keep()
    keep()


HOW_TO_GO_ON = "what was done is kept, and the same call goes on from there"
