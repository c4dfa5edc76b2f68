"""The contact sheet: every view of a shape on one picture, named."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from pointclip._base.files import refusals, whole
from pointclip.errors import InputError
from pointclip.viz.panels import Panel

TILE, GAP, MARGIN, BAR = 200, 10, 16, 8
MAX_COLUMNS = 7
_INK, _FAINT, _FRAME, _GROUND = (20, 20, 20), (95, 95, 95), (215, 215, 215), (255, 255, 255)
_FOR, _AGAINST = (196, 40, 40), (40, 84, 180)


def contact_sheet(panels: Sequence[Panel], title: str = "", footer: str = "") -> Image.Image:
    """Draw panels under each other.

    Args:
        panels: At least one.
        title: What stands at the top, such as the shape's name.
        footer: What stands under the title, such as the answer.

    Returns:
        An RGB image; text too long for its place ends in an ellipsis.

    Raises:
        InputError: There is no panel.

    Example:
        >>> import torch
        >>> contact_sheet([Panel("depth", torch.ones(2, 3, 8, 8), ("front", "back"))], "chair").size
        (442, 310)
    """
    if not panels:
        raise InputError("a contact sheet needs at least one panel")
    columns = max(_columns(len(panel.pictures)) for panel in panels)
    width = max(columns * TILE + (columns - 1) * GAP, 2 * TILE + GAP) + 2 * MARGIN
    head = 24 * bool(title) + 20 * bool(footer)
    height = 2 * MARGIN + head + sum(_height(panel) for panel in panels)
    image = Image.new("RGB", (width, height), _GROUND)
    pen = ImageDraw.Draw(image)
    top = MARGIN
    for text, size, step, ink in ((title, 18, 24, _INK), (footer, 14, 20, _FAINT)):
        if text:
            _write(pen, (MARGIN, top), text, size, ink, width - 2 * MARGIN)
            top += step
    for panel in panels:
        _draw_panel(image, pen, panel, top, width)
        top += _height(panel)
    return image


def write_sheet(path: str | Path, panels: Sequence[Panel], title: str = "", footer: str = "") -> None:
    """Write a contact sheet to a PNG file.

    Raises:
        InputError: There is no panel, or the file cannot be written.
    """
    image = contact_sheet(panels, title, footer)
    with whole(path) as draft, refusals(Path(path)):
        image.save(draft, format="PNG", optimize=True)


def _columns(count: int) -> int:
    """Choose columns that fill whole rows where that can be."""
    if count <= MAX_COLUMNS:
        return count
    return next((columns for columns in (6, 5, 4) if count % columns == 0), MAX_COLUMNS)


def _height(panel: Panel) -> int:
    count = len(panel.pictures)
    return 26 * bool(panel.title) + -(-count // _columns(count)) * _cell(panel)


def _cell(panel: Panel) -> int:
    return TILE + 18 + 19 * bool(panel.captions) + (BAR + 6) * bool(panel.scores) + GAP


def _draw_panel(image: Image.Image, pen: ImageDraw.ImageDraw, panel: Panel, top: int, width: int) -> None:
    if panel.title:
        _write(pen, (MARGIN, top), panel.title, 15, _INK, width - 2 * MARGIN)
        top += 24
    columns = _columns(len(panel.pictures))
    largest = max((abs(score) for score in panel.scores), default=0.0) or 1.0
    for number, pixels in enumerate(panel.pixels()):
        left = MARGIN + number % columns * (TILE + GAP)
        below = top + number // columns * _cell(panel)
        image.paste(Image.fromarray(pixels).resize((TILE, TILE), Image.Resampling.LANCZOS), (left, below))
        pen.rectangle((left, below, left + TILE - 1, below + TILE - 1), outline=_FRAME)
        below += TILE + 2
        _write(pen, (left, below), panel.names[number], 12, _FAINT, TILE)
        below += 16
        if panel.captions:
            _write(pen, (left, below), panel.captions[number], 14, _INK, TILE)
            below += 19
        if panel.scores:
            middle, share = left + TILE // 2, panel.scores[number] / largest
            end = middle + round(share * TILE / 2)
            pen.rectangle(
                (min(middle, end), below + 2, max(middle, end), below + BAR), fill=_FOR if share > 0 else _AGAINST
            )
            pen.line((middle, below, middle, below + BAR + 2), fill=_FAINT)


def _write(
    pen: ImageDraw.ImageDraw, at: tuple[int, int], text: str, size: int, ink: tuple[int, int, int], room: int
) -> None:
    font = ImageFont.load_default(size)
    text = " ".join(text.split())
    if pen.textlength(text, font) > room:
        while text and pen.textlength(text + "...", font) > room:
            text = text[:-1]
        text += "..."
    pen.text(at, text, ink, font)
