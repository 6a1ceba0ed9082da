"""Four themes and what each palette name looks like in them; contrast is computed, not hoped for.

Row builders speak in palette names (`gain`, `naked`, `dim` ...), never in colours. A name whose colour has less than
4.5:1 on its surface falls back to plain text, where sign, mark and word still carry the meaning. Without colour the
same names become bold, reverse and underline.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from rich.color import Color
from rich.style import Style
from textual.theme import Theme

from tui.lines import CURSOR

MIN_CONTRAST: Final = 4.5
LIVE_FILL: Final = "#B00020"
PAPER_FILL: Final = "#1D4ED8"


class Colours(NamedTuple):
    """The colours of one theme, as hexadecimal text."""

    is_dark: bool
    background: str
    text: str
    muted: str
    frame: str
    focus: str
    gain: str
    loss: str
    stale: str
    cursor: str
    """Background of the row under the cursor."""


THEMES: Final[Mapping[str, Colours]] = {
    "desk-dark": Colours(
        True, "#121212", "#E4E4E4", "#9A9A9A", "#6B6B6B", "#9CC4FF", "#4ADE80", "#F87171", "#F5C542", "#2A3342"
    ),
    "desk-light": Colours(
        False, "#F5F5F5", "#1A1A1A", "#5C5C5C", "#8A8A8A", "#1D4ED8", "#15803D", "#B91C1C", "#8A5A00", "#DCE6F7"
    ),
    "desk-cvd-dark": Colours(
        True, "#121212", "#E4E4E4", "#9A9A9A", "#6B6B6B", "#CC9BE8", "#56B4E9", "#E69F00", "#F0E442", "#2E2A3A"
    ),
    "desk-cvd-light": Colours(
        False, "#F5F5F5", "#1A1A1A", "#5C5C5C", "#8A8A8A", "#5B2A86", "#005F99", "#A34700", "#7A5C00", "#E6E0F0"
    ),
}
DEFAULT_DARK: Final = "desk-dark"
DEFAULT_LIGHT: Final = "desk-light"


def luminance(colour: str) -> float:
    """Relative luminance of WCAG 2."""
    triplet = Color.parse(colour).get_truecolor()
    channels = [value / 255 for value in triplet]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours, 1 to 21."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


class Palette:
    """Palette name to terminal style for one theme; unknown names are plain text."""

    def __init__(self, theme: str, *, has_colour: bool = True) -> None:
        self.theme = theme
        self.colours = THEMES[theme]
        self.has_colour = has_colour
        self._styles = coloured_styles(self.colours) if has_colour else colourless_styles()
        self._selected = {CURSOR + name: self._under_cursor(style) for name, style in self._styles.items()}

    def _under_cursor(self, style: Style) -> Style:
        """The same on the cursor's surface; an ink that is not readable there becomes plain text."""
        if not self.has_colour:
            return Style(underline=True) + style
        if style.bgcolor is not None and style.bgcolor.name != self.colours.background.casefold():
            return style
        ink = style.color.name if style.color else self.colours.text
        readable = contrast(ink, self.colours.cursor) >= MIN_CONTRAST
        return style + Style(bgcolor=self.colours.cursor, color=None if readable else self.colours.text)

    def style(self, name: str) -> Style:
        """The style of a palette name, also under the cursor (`@gain`)."""
        if name.startswith(CURSOR):
            return self._selected.get(name, self._selected[CURSOR])
        return self._styles.get(name, self._styles[""])

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._styles)


def coloured_styles(c: Colours) -> dict[str, Style]:
    """Every style paints its own surface: the terminal behind may be of any colour."""

    def ink(colour: str, *, bold: bool = False) -> Style:
        readable = contrast(colour, c.background) >= MIN_CONTRAST
        return Style(color=colour if readable else c.text, bgcolor=c.background, bold=bold)

    def fill(background: str, text: str) -> Style:
        return Style(color=text, bgcolor=background, bold=True)

    on_stale = "#121212" if c.is_dark else "#FFFFFF"
    return {
        "": ink(c.text),
        "dim": ink(c.muted),
        "frame": Style(color=c.frame, bgcolor=c.background),
        "focus": ink(c.focus, bold=True),
        "title": ink(c.text, bold=True),
        "key": ink(c.text, bold=True),
        "gain": ink(c.gain),
        "loss": ink(c.loss),
        "warn": ink(c.stale),
        "stale": ink(c.stale),
        "unknown": fill(c.stale, on_stale),
        "naked": fill(LIVE_FILL, "#FFFFFF"),
        "alarm": fill(LIVE_FILL, "#FFFFFF"),
        "live": fill(LIVE_FILL, "#FFFFFF"),
        "paper": fill(PAPER_FILL, "#FFFFFF"),
    }


def colourless_styles() -> dict[str, Style]:
    """For NO_COLOR: weight and reverse video only."""
    plain, bold, reverse = Style(), Style(bold=True), Style(reverse=True, bold=True)
    return {
        "": plain,
        "dim": plain,
        "frame": plain,
        "focus": bold,
        "title": bold,
        "key": bold,
        "gain": plain,
        "loss": plain,
        "warn": bold,
        "stale": plain,
        "unknown": reverse,
        "naked": reverse,
        "alarm": reverse,
        "live": reverse,
        "paper": bold,
    }


def textual_theme(name: str) -> Theme:
    """The theme as Textual wants it; only surfaces and text, everything else is painted from the palette."""
    c = THEMES[name]
    return Theme(
        name=name,
        primary=c.focus,
        success=c.gain,
        error=c.loss,
        warning=c.stale,
        foreground=c.text,
        background=c.background,
        surface=c.background,
        panel=c.background,
        dark=c.is_dark,
    )


def choose_theme(wanted: str | None, environ: Mapping[str, str]) -> str:
    """The configured theme when it exists, else light or dark by COLORFGBG, else dark."""
    if wanted in THEMES:
        return wanted
    background = environ.get("COLORFGBG", "").rpartition(";")[2]
    return DEFAULT_LIGHT if background in ("7", "15") else DEFAULT_DARK


def next_theme(name: str) -> str:
    names = list(THEMES)
    return names[(names.index(name) + 1) % len(names)]
