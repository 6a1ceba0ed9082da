"""The two bottom lines (arm bar and footer) and, in the small layout, the line of panel names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from engine.instant import NS_PER_S, clock_text
from engine.order import OrderState
from engine.view import ActionView, AlarmView, DeskView
from tui.actions import PANEL_NAMES, FooterItem, Panel, find_actions, footer_items, key_name, unseen_alarms
from tui.armbar import armed_lines
from tui.entryline import CommandLine, EntryLine, TextLine
from tui.format import clean, crop
from tui.intent import Sent
from tui.lines import BLANK, Line, Span, line, spread, width_of
from tui.panels.base import Bar, Scene
from tui.panels.status import square_off_words

ALWAYS_SHOWN: Final = 4
"""Exit, cancel all, zero out and pause keep their place at every width."""


def entry_words(entry: EntryLine) -> Line:
    """`BUY  legs [both] CE PE  lots 2_  Enter previews ...`"""
    spans: list[Span | str] = ["> ", (f"{entry.side.value}", "key"), "  legs "]
    for word in entry.targets:
        chosen = word == entry.target
        spans.append((f"[{word}]" if chosen else f" {word} ", "key" if chosen else "dim"))
    spans += ["  lots ", (f"{entry.lots_text}_" if entry.lots_text else "_ (as configured)", "key")]
    spans.append(("   Enter previews | Tab legs | Esc closes", "dim"))
    return line(*spans)


def command_words(typed: CommandLine) -> Line:
    """What is typed, and which action Enter would run, with its key: the palette teaches the keyboard."""
    found = find_actions(typed.text)
    if not typed.text:
        hint = "type an action (exit, cancel, zero, pause, help ...) or a leg; dangerous ones only arm"
    elif found:
        names = "  ".join(f"{a.id.replace('_', ' ')} ({key_name(a.key)})" for a in found[:4])
        hint = f"Enter: {names}"
    else:
        hint = "Enter goes to that leg, if there is one"
    return line((f":{typed.text}_", "key"), (f"   {hint}", "dim"))


def typed_words(typed: TextLine | EntryLine) -> Line:
    if isinstance(typed, EntryLine):
        return entry_words(typed)
    if isinstance(typed, CommandLine):
        return command_words(typed)
    return line((f"/{typed.text}_", "key"), ("   Enter keeps the filter | Esc clears it", "dim"))


def progress_words(sent: Sent, progress: ActionView | None, now_ns: int) -> Line:
    """A request on its way: sent when, how much is done, for how long."""
    elapsed = f"{max(0, now_ns - sent.mono_ns) / NS_PER_S:.1f} s"
    head = f"> {sent.label}: sent {clock_text(sent.at_ns)}, "
    if progress is None:
        return line(head, ("no answer from the desk yet", "warn"), f", {elapsed}")
    done = f"{progress.done} of {progress.total} done" if progress.total else "working"
    return line(head, (done, "title"), f", {clean(progress.text)}, {elapsed}")


def failed_action(view: DeskView, dismissed: set[str]) -> ActionView | None:
    return next((action for action in view.actions if action.failed and action.request_id not in dismissed), None)


def resting_words(scene: Scene, width: int) -> Line:
    """Nothing armed and nothing on its way: ready, the filter, and the last thing that was done."""
    done = next((action for action in reversed(scene.view.actions) if action.finished and not action.failed), None)
    last = f"last: {clean(done.text)}, sent {clock_text(done.sent_ns)}" if done else ""
    status = scene.view.status
    if status.recovered:
        keys = "  a: seen"
        return line("> ", (crop(clean(status.recovered), max(width - len(keys) - 2, 0)), "title"), (keys, "dim"))
    ready = "> ready" if status.entries == "ON" else f"> entries {clean(status.entries)}"
    return spread(line(ready), line((last, "dim")), width)


def alarm_words(unseen: Sequence[AlarmView], width: int) -> Line:
    """The newest alarm that nobody has acknowledged, and how many more there are."""
    more = f" and {len(unseen) - 1} more" if len(unseen) > 1 else ""
    keys = "  a: seen"
    room = max(width - len(f"> ALARM :  {more}{keys}"), 0)
    return line("> ", (f" ALARM: {crop(clean(unseen[0].text), room)} ", "alarm"), (more, "warn"), (keys, "dim"))


def in_flight(scene: Scene) -> tuple[Sent, ActionView | None] | None:
    """The newest request of this screen that is not answered, while it is young enough to wait for."""
    for sent in reversed(scene.controls.sent):
        progress = scene.controls.progress(sent)
        young = scene.mono_ns - sent.mono_ns < 2 * NS_PER_S
        if (progress is None and young) or (progress is not None and not progress.finished and not progress.failed):
            return sent, progress
    return None


def footer(scene: Scene, width: int) -> Line:
    """Keys for the focused panel; what does not fit falls off in front of command, help and quit."""
    items = footer_items(scene.controls.situation())
    head, last = items[:-3], items[-3:]
    while len(head) > ALWAYS_SHOWN and width_of(footer_words([*head, *last])) > width:
        head = head[:-1]
    return footer_words([*head, *last])


def footer_words(items: Sequence[FooterItem]) -> Line:
    spans: list[Span | str] = []
    for item in items:
        spans += ["  " if spans else " ", (item.key, "key" if item.is_enabled else "dim")]
        spans.append((f" {item.label}", "" if item.is_enabled else "dim"))
    return line(*spans)


class BottomBar(Bar):
    """Arm bar above the footer. While armed, both lines may belong to the arm bar: other keys would only disarm."""

    def build(self, scene: Scene, width: int, height: int) -> list[Line]:
        foot = footer(scene, width)
        if scene.bar.armed is not None:
            lines = armed_lines(scene.bar, scene.mono_ns, width)
            return lines if len(lines) > 1 else [lines[0], foot]
        return [self._upper(scene, width), foot]

    def _upper(self, scene: Scene, width: int) -> Line:
        if scene.controls.line is not None:
            return typed_words(scene.controls.line)
        flash = scene.state.flash_text(scene.mono_ns)
        if flash:
            return line("> ", (clean(flash), "title"))
        failed = failed_action(scene.view, scene.controls.dismissed)
        if failed is not None:
            return line("> ", (f" FAILED {clean(failed.text)}: {clean(failed.failed)} ", "alarm"), "  Esc dismisses")
        waiting = in_flight(scene)
        if waiting is not None:
            return progress_words(*waiting, scene.mono_ns)
        unseen = unseen_alarms(scene.view)
        if unseen:
            return alarm_words(unseen, width)
        return resting_words(scene, width)


class TabsBar(Bar):
    """`[1 Legs]  2 Ladder  3 OCO 1!  4 Orders 7 ...` in the small layout."""

    def build(self, scene: Scene, width: int, height: int) -> list[Line]:
        view = scene.view
        counts = {
            Panel.OCO: f" {len(alarms)}!" if (alarms := [b for b in view.brackets if b.alarm]) else "",
            Panel.ORDERS: f" {sum(1 for order in view.orders if order.is_open)}",
            Panel.GRID: f" {bare}!" if (bare := sum(len(grid.unhedged) for grid in view.grids)) else "",
        }
        unknown = any(order.state is OrderState.UNKNOWN for order in view.orders)
        spans: list[Span | str] = [" "]
        for panel in scene.state.panels:
            text = f"{panel.value} {PANEL_NAMES[panel]}{counts.get(panel, '')}"
            focused = panel is scene.state.panel
            alarmed = (panel in (Panel.OCO, Panel.GRID) and counts[panel]) or (panel is Panel.ORDERS and unknown)
            spans.append(
                (f"[{text}]" if focused else f" {text} ", "focus" if focused else "warn" if alarmed else "dim")
            )
        right = square_off_words(view.status, is_large=False) or BLANK
        return [spread(line(*spans), line(*right, " "), width)]
