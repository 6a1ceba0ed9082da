"""The help page: every key of the action table, the words of the screen, and what its marks mean."""

from __future__ import annotations

from textwrap import wrap

from tui.actions import ACTIONS, Danger, keys_text
from tui.lines import BLANK, Line, line

_KEY_WIDTH = 20

WORDS: tuple[tuple[str, str], ...] = (
    ("NAKED 3.4s", "open, nothing covers it; the clock runs"),
    ("EXIT FAILED 3x", "the exit was refused as often as its tries; slower tries never end"),
    ("SURPLUS", "both exits filled: the units too many are being traded back"),
    ("UNKNOWN 3.4s", "a stop was sent and nobody answered; it is looked up, its level is guarded here"),
    ("PARTIAL a/b", "covered less than open"),
    ("PLACING", "inside the normal time for the broker's answer"),
    ("LOCAL", "watched here only, nothing rests at the broker: dies with this program"),
    ("PROTECTED b/b", "acknowledged by the broker for the full quantity"),
    ("EXITING", "an exit is working"),
    ("PROVING FLAT", "fills say flat, the broker is asked"),
    ("FLAT", "no position, proven"),
    ("SHORT", "the units are sold: the exits buy"),
    ("UNHEDGED B2", "a level of a grid holds units, and nothing stands for its hedge"),
    ("held back", "a hedge further away than may rest: watched here until it is the nearest"),
    ("due, executing", "the hedge's price is reached: it is being filled at the market"),
    ("TGT_READY", "the entry has filled, its target is not at the broker yet (TARGET_READY)"),
    ("TGT_PLACED", "the target rests at the broker (TARGET_PLACED)"),
    ("OCO_FILLED", "the hedge has filled: the level is closed for good, its pair stays open"),
    ("UNEXPECTED", "the broker shows units that nobody here has bought; n then N lets the bot take them"),
    ("7.1s q", "quiet: the link is alive, this strike did not trade"),
    ("~ before a value", "not believed any more: the feed is stale"),
    ("^ v =", "the last price moved up, down, not"),
)


def help_lines(context: str, width: int) -> list[Line]:
    """The whole page; `context` is the focused panel, whose own keys come first."""
    own = [action for action in ACTIONS if context in action.scope]
    rest = [action for action in ACTIONS if context not in action.scope]
    lines: list[Line] = [
        line(("Lower case arms, upper case sends, Esc keeps. Enter never sends.", "title")),
        BLANK,
    ]
    for title, actions in ((f"In {context}", own), ("Everywhere", rest)):
        if not actions:
            continue
        lines.append(line((title, "title")))
        for action in actions:
            mark = "!" if action.danger is Danger.TWO_STROKE else " "
            where = f"  ({action.scope})" if action.scope not in ("everywhere", context) and actions is rest else ""
            rows = wrap(action.description + where, max(20, width - _KEY_WIDTH - 3))
            lines.append(line(f" {mark} ", (f"{keys_text(action):<{_KEY_WIDTH}}", "key"), rows[0]))
            lines += [line(" " * (_KEY_WIDTH + 3), row) for row in rows[1:]]
        lines.append(BLANK)
    lines.append(line(("Words and marks", "title")))
    lines += [line("   ", (f"{word:<{_KEY_WIDTH}}", "key"), meaning) for word, meaning in WORDS]
    return lines
