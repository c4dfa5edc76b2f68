"""What a user should know of a run besides its answers: files of a folder left out, labels that mean nothing."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pointclip.cli import console as _console

if TYPE_CHECKING:
    from pointclip.model import PointCLIP


def run_notes(paths: Sequence[str], labels: Sequence[str] = (), network: "PointCLIP | None" = None) -> list[str]:
    """Collect the notes of a run.

    Args:
        paths: What was named; the shapes in folders that cannot be read are counted.
        labels: Class names, which the model should be able to tell apart.
        network: The model, where one is loaded.
    """
    from pointclip.datasets import unread

    notes = []
    if left := unread(paths):
        told = ", ".join(f"{count:,} {kind}" for kind, count in left.items())
        notes.append(f"left out of the folders: {told} (name one to learn how to convert it)")
    if network is not None and labels:
        from pointclip.clip import label_notes
        from pointclip.prompts import MEANING, unknown_labels

        text = network.encode_labels(labels) if network.head is None else network.head.text
        notes += label_notes(network.clip.tokenizer, labels, text)
        if network.head is None and network.templates == MEANING and (strange := unknown_labels(labels)):
            notes.append(f"no meaning is known of {', '.join(strange)}: name a more common kind of thing")
    return notes


def tell_notes(notes: Sequence[str]) -> None:
    """Write notes to stderr, a line each."""
    for note in notes:
        _console.say_note(f"note: {note}")


def in_document(notes: Sequence[str]) -> dict[str, Any]:
    """Give the notes as a part of a JSON document, which has none where all is well."""
    return {"notes": list(notes)} if notes else {}
