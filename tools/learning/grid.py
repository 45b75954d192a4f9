"""A result as one picture: what was learnt from, and what each way to speak of it paints."""

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from tools.demo_model.drawing import Pixels
from tools.learning.concepts import pictures
from tools.learning.measuring import DEMANDS, SHOWN, Result, Score

LABELS = 136
"""Pixels left of the rows."""
HEADER = 16
BETWEEN = 10
COLOURS = 256
"""Of the PNG's palette: a third of the bytes, and no difference that an eye would see."""
PAPER, INK = (255, 255, 255), (20, 20, 20)


def write_grid(result: Result, path: Path) -> None:
    """Writes the picture: first row the training pictures; below, a block of columns each for (a), (b) and (c)."""
    blocks = [
        (f"(a) {result.initial.thing}", result.initial),
        (f"(b) {result.by_picture.thing}", result.by_picture),
        (f"(c) {result.learnt[0].thing}, learnt", result.learnt[0]),
    ]
    rows = ["", *(demand.label for demand in DEMANDS)]
    side = result.initial.shown[""][0].shape[1]
    cell = side + 1
    width = LABELS + len(blocks) * (SHOWN * cell + BETWEEN)
    board = Image.new("RGB", (width, HEADER + cell + HEADER + len(rows) * cell), PAPER)
    pen = ImageDraw.Draw(board)
    _row(board, pictures(result.concept.training, side), (LABELS, HEADER))
    _write(pen, (4, HEADER + cell // 2), "learnt from")
    top = HEADER + cell + HEADER
    for number, (title, score) in enumerate(blocks):
        left = LABELS + number * (SHOWN * cell + BETWEEN)
        _write(pen, (left, top - HEADER), title)
        _block(board, score, rows, (left, top))
    for number, label in enumerate(rows):
        _write(pen, (4, top + number * cell + cell // 2 - 6), label or "a photo of a …")
    board.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


def _block(board: Image.Image, score: Score, rows: list[str], corner: tuple[int, int]) -> None:
    left, top = corner
    for number, label in enumerate(rows):
        shown = score.shown[label]
        _row(board, shown, (left, top + number * (shown[0].shape[0] + 1)))


def _row(board: Image.Image, shown: list[Pixels], corner: tuple[int, int]) -> None:
    left, top = corner
    for number, pixels in enumerate(shown):
        board.paste(Image.fromarray(pixels), (left + number * (pixels.shape[1] + 1), top))


def _write(pen: ImageDraw.ImageDraw, corner: tuple[int, int], text: str) -> None:
    pen.text(corner, text, fill=INK, font=ImageFont.load_default(size=11))
