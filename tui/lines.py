"""Lines of styled text: the common currency between row builders (pure) and widgets (strips).

A line is a tuple of (text, palette name) pairs; every character is one cell wide because `format.clean` saw to it. A
row builder hands out the *same* line object while nothing it shows has changed, so a dirty row is an identity test.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

Span = tuple[str, str]
Line = tuple[Span, ...]

BLANK: Final[Line] = ()


def text_of(line: Line) -> str:
    return "".join(text for text, _ in line)


def width_of(line: Line) -> int:
    width = 0
    for text, _ in line:
        width += len(text)
    return width


def line(*spans: Span | str) -> Line:
    """A line from spans; a bare string is unstyled. Empty texts are left out."""
    pairs: list[Span] = []
    for part in spans:
        pair = (part, "") if isinstance(part, str) else part
        if pair[0]:
            pairs.append(pair)
    return tuple(pairs)


def cut(source: Line, width: int) -> Line:
    """The first `width` cells, with `..` at the end when something was lost."""
    if width_of(source) <= width:
        return source
    kept: list[Span] = []
    left = max(0, width - 2)
    for text, style in source:
        if len(text) > left:
            kept.append((text[:left] + ".."[:width], style))
            break
        kept.append((text, style))
        left -= len(text)
    return tuple(kept)


def fit(source: Line, width: int) -> Line:
    """Exactly `width` cells: cut or padded."""
    source = cut(source, width)
    missing = width - width_of(source)
    return (*source, (" " * missing, "")) if missing > 0 else source


def spread(left: Line, right: Line, width: int, fill: str = " ", fill_style: str = "") -> Line:
    """`left` and `right` at the two ends of `width` cells; the right end wins when both do not fit."""
    right = cut(right, width)
    left = cut(left, width - width_of(right))
    gap = width - width_of(left) - width_of(right)
    return (*left, (fill * gap, fill_style), *right) if gap > 0 else (*left, *right)


class Column(NamedTuple):
    """One fixed-width column of a table; widths never follow the data, so nothing jumps."""

    title: str
    width: int
    is_right: bool = False


def rest_column(title: str, columns: Sequence[Column], width: int) -> Column:
    """A last column that takes what the others leave of `width`."""
    return Column(title, max(0, width - sum(column.width + 1 for column in columns)))


def cells(columns: Sequence[Column], values: Sequence[Span | str]) -> Line:
    """One table row: each value cut to its column and aligned, one space between columns."""
    spans: list[Span] = []
    for column, value in zip(columns, values, strict=True):
        text, style = (value, "") if isinstance(value, str) else value
        if len(text) > column.width:
            text = text[: max(0, column.width - 2)] + ".."[: column.width]
        pad = " " * (column.width - len(text))
        spans.extend(((pad, ""), (text, style)) if column.is_right else ((text, style), (pad, "")))
        spans.append((" ", ""))
    return tuple(span for span in spans[:-1] if span[0])


def header(columns: Sequence[Column]) -> Line:
    return cells(columns, [(column.title, "dim") for column in columns])


class Border(NamedTuple):
    """Characters of a panel's frame."""

    top_left: str
    top_right: str
    bottom_left: str
    bottom_right: str
    across: str
    down: str


ASCII_BORDER: Final = Border("+", "+", "+", "+", "-", "|")
ASCII_FOCUS: Final = Border("+", "+", "+", "+", "=", "|")
DRAWN_BORDER: Final = Border("┌", "┐", "└", "┘", "─", "│")
DRAWN_FOCUS: Final = Border("╔", "╗", "╚", "╝", "═", "║")


def border(*, is_focused: bool, is_ascii: bool) -> Border:
    """The focused panel differs by its frame's characters, not by colour alone."""
    if is_ascii:
        return ASCII_FOCUS if is_focused else ASCII_BORDER
    return DRAWN_FOCUS if is_focused else DRAWN_BORDER


class Frame(NamedTuple):
    """Size and looks of one box."""

    width: int
    height: int
    is_focused: bool = False
    is_ascii: bool = False


CURSOR: Final = "@"
"""Prefix of a palette name on the row under the cursor."""


def select(source: Line) -> Line:
    """The same line under the cursor."""
    return tuple((text, CURSOR + style) for text, style in source)


class Panelled(NamedTuple):
    """What a framed panel says around its body."""

    title: Line
    right: Line = BLANK
    foot: Line = BLANK
    cursor_row: int = -1
    """Body row under the cursor; it also gets a `>` in the margin, so that colour is not needed to see it."""


def box(frame: Frame, said: Panelled, body: Sequence[Line]) -> list[Line]:
    """A framed panel: title and right-hand note on the top border, body padded to the height, foot on the bottom."""
    edge = border(is_focused=frame.is_focused, is_ascii=frame.is_ascii)
    style = "focus" if frame.is_focused else "frame"
    inner = frame.width - 4
    top = spread(_spaced(said.title), _spaced(said.right), inner, edge.across, style)
    drawn: list[Line] = [((edge.top_left + edge.across, style), *top, (edge.across + edge.top_right, style))]
    rows = list(body[: frame.height - 2])
    rows += [BLANK] * (frame.height - 2 - len(rows))
    drawn += [_body_row(row, edge, style, inner, index == said.cursor_row) for index, row in enumerate(rows)]
    bottom = spread(BLANK, _spaced(said.foot), inner, edge.across, style)
    drawn.append(((edge.bottom_left + edge.across, style), *bottom, (edge.across + edge.bottom_right, style)))
    return drawn


@lru_cache(maxsize=2048)
def _body_row(row: Line, edge: Border, style: str, inner: int, is_cursor: bool) -> Line:
    """One framed row. Cached, so that an unchanged row is the same object in the next frame."""
    if is_cursor:
        content = select((*line((">", "key")), *fit(row, inner), *line(" ")))
    else:
        content = (*line(" "), *fit(row, inner), *line(" "))
    return ((edge.down, style), *content, (edge.down, style))


def _spaced(words: Line) -> Line:
    return (*line(" "), *words, *line(" ")) if words else BLANK


class Memo:
    """Remembers what was built from a row: the same row object and the same clock text give the same lines back."""

    def __init__(self) -> None:
        self._built: dict[Hashable, tuple[object, tuple[object, ...], list[Line]]] = {}

    def lines(
        self, key: Hashable, row: object, extra: tuple[object, ...], build: Callable[[], list[Line]]
    ) -> list[Line]:
        """Lines for `key`, rebuilt only when `row` is another object or `extra` (ages, width, cursor) differs."""
        known = self._built.get(key)
        if known is not None and known[0] is row and known[1] == extra:
            return known[2]
        built = build()
        self._built[key] = (row, extra, built)
        return built

    def keep_only(self, keys: set[Hashable]) -> None:
        """Forget rows that are gone, so that a long day does not grow the memory."""
        for key in self._built.keys() - keys:
            del self._built[key]
