"""What each key does: it arms, sends, moves or explains. The whole keyboard without a terminal, so it can be proven.

`press` takes a key name and the monotonic time; requests leave through `Console.submit` only. A request that can lose
money leaves only from `_send`, which runs only when the arm bar answered SEND.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from engine.console import Console
from engine.operator import (
    Acknowledge,
    Adopt,
    CancelAll,
    CancelOrder,
    CancelScope,
    Enter,
    ExitBot,
    ExitLeg,
    ExitLevel,
    ExitSide,
    Note,
    PauseEntries,
    ReconcileNow,
    ReloadConfig,
    Request,
    ZeroOut,
)
from engine.order import Side
from engine.view import ActionView, DeskView
from tui.actions import ACTION_BY_ID, BINDINGS, SEND_KEYS, Action, Danger, Panel, Situation, find_actions, key_name
from tui.armbar import ArmBar, Arming, Verdict
from tui.entryline import CommandLine, EntryLine, FilterLine, TextLine
from tui.format import clean
from tui.grid_scope import (
    SCOPE_HINT,
    GridExit,
    exit_level,
    next_cancel,
    numbers,
    place_words,
    widened,
)
from tui.intent import Sent, already_sent, intent_of, progress_of, quantity_of
from tui.layout import PRESETS
from tui.outcome import ScreenOutcome
from tui.selection import (
    bot_of,
    is_protective,
    leg_named,
    most_severe_leg,
    open_grids,
    open_legs,
    unhedged_level,
    unknown_order,
    working_orders,
)
from tui.state import Page, ScreenState


class Controls:
    """The keyboard. Owns the arm bar, the typed line and the screen state; owns no trading decision."""

    def __init__(self, console: Console, state: ScreenState, new_id: Callable[[], str]) -> None:
        self._console = console
        self._new_id = new_id
        self.state = state
        self.bar = ArmBar()
        self.line: TextLine | EntryLine | None = None
        self.sent: list[Sent] = []
        self.dismissed: set[str] = set()
        self.outcome: ScreenOutcome | None = None
        """Set when the screen has to go."""
        self._now_ns = 0
        self._see(console.view())

    def _see(self, view: DeskView) -> None:
        self._view = view
        self.state.adapt(view)

    # ---- time and outside events

    def tick(self, view: DeskView, now_ns: int) -> None:
        """Once a frame: expire, refresh the armed numbers, notice a changed mode."""
        self._now_ns = now_ns
        self._see(view)
        expired = self.bar.expire(now_ns)
        if expired is not None:
            self._kept(expired, "time is up")
        armed = self.bar.armed
        if armed is None:
            return
        if armed.mode != mode_text(view):
            self.bar.disarm()
            self._kept(armed, "the mode changed")
        elif armed.request is not None:
            self.bar.refresh(self._told(armed.request), quantity_of(armed.request, self._view))

    def blur(self, now_ns: int) -> None:
        """The terminal lost the focus: nothing stays armed behind another window."""
        self._now_ns = now_ns
        armed = self.bar.disarm()
        if armed is not None:
            self._kept(armed, "the window lost the focus")

    # ---- keys

    def press(self, key: str, now_ns: int) -> None:
        """One key. Armed bar first, then a typed line, then the action table."""
        self._now_ns = now_ns
        self._see(self._console.view())
        armed = self.bar.armed
        match self.bar.press(key, now_ns):
            case Verdict.SEND if armed is not None:
                self._send(armed)
                return
            case Verdict.NO_EFFECT:
                return
            case Verdict.NAMED if armed is not None:
                self._rescope(armed, key)
                return
            case Verdict.KEPT if armed is not None:
                self._kept(armed, "")
                if not self._arms_another(key, armed):
                    return
            case _:
                if armed is not None:  # expired since the last frame; the key is judged on its own
                    self._kept(armed, "time is up")
        if self.line is not None and self._typed(self.line, key):
            return
        self._dispatch(key)

    def _arms_another(self, key: str, armed: Arming) -> bool:
        action = BINDINGS.get(key)
        return action is not None and action.danger is Danger.TWO_STROKE and action.id != armed.action_id

    def _dispatch(self, key: str) -> None:
        action = BINDINGS.get(key)
        if action is None:
            owner = SEND_KEYS.get(key)
            if owner is not None:
                self._flash(f"press {owner.key} first: {owner.key} arms, {key} sends")
            return
        self.perform(action, key)

    def perform(self, action: Action, key: str) -> None:
        """Run an action's handler, or say why it cannot run now."""
        reason = action.why_disabled(self.situation())
        if reason:
            self._flash(f"{key_name(action.key)}: {reason}")
            return
        self.state.clear_flash()
        getattr(self, action.handler)(key)

    def situation(self) -> Situation:
        state = self.state
        return Situation(
            state.panel,
            self._view,
            state.situation_order(self._view),
            state.engine_down,
            state.page is Page.QUIT,
            state.level(self._view) is not None,
        )

    def _typed(self, typed: TextLine | EntryLine, key: str) -> bool:
        """Offer a key to the open line. True when it was used up."""
        if key == "escape":
            if isinstance(typed, FilterLine):
                self.state.filters[self.state.panel] = ""
            self.line = None
        elif key == "enter":
            self._accept(typed)
        elif key == "ctrl+x":
            return False
        elif typed.press(key):
            if isinstance(typed, FilterLine):
                self.state.filters[self.state.panel] = typed.text
        elif isinstance(typed, EntryLine):
            return self._refused_by_entry_line(typed, key)
        return True

    def _refused_by_entry_line(self, entry: EntryLine, key: str) -> bool:
        """The urgent three work from inside the entry line; anything else is told what the line takes."""
        if key in ("e", "c", "z"):
            self.line = None
            return False
        word = "B" if entry.side is Side.BUY else "S"
        self._flash(
            "Enter shows the preview first" if key == word else "digits set lots, Tab legs, Enter previews, Esc closes"
        )
        return True

    def _accept(self, typed: TextLine | EntryLine) -> None:
        self.line = None
        if isinstance(typed, EntryLine):
            self._arm_entry(typed)
        elif isinstance(typed, CommandLine) and typed.text.strip():
            self._run_command(typed.text)

    def _run_command(self, text: str) -> None:
        leg = leg_named(self._view, text.strip().upper().removeprefix("GO ").strip())
        if leg is not None:
            self.state.leg_cursor.put(leg.key)
            self.state.go(Panel.LEGS)
            return
        found = find_actions(text)
        if not found:
            self._flash(f"no command matches {text!r}; ? lists them")
            return
        self.perform(found[0], found[0].key)

    # ---- dangerous actions: they arm, `_send` sends

    def arm_exit(self, _: str) -> None:
        pick = self.state.level(self._view)
        if pick is not None:
            self._arm_grid_exit(exit_level(pick, self._new_id()))
            return
        leg = self.state.leg(self._view)
        if leg is None:
            order = self.state.order(self._view)
            self._flash(f"{clean(order.name)} is not a leg of this desk" if order else "no leg under the cursor")
            return
        request = ExitLeg(request_id=self._new_id(), symbol=leg.symbol, bot=bot_of(self._view, leg))
        self._arm("exit_leg", f"exit {clean(leg.name)}{_of_bot(request.bot)}", request)

    def arm_adopt(self, _: str) -> None:
        """The consent of CON-08: of the leg under the cursor when it has something unexpected, else of the first."""
        legs = [self.state.leg(self._view), *self._view.legs]
        leg = next((leg for leg in legs if leg is not None and leg.unexpected_qty), None)
        if leg is not None:
            request = Adopt(request_id=self._new_id(), symbol=leg.symbol, bot=bot_of(self._view, leg))
            self._arm("adopt", f"adopt {clean(leg.name)}", request)

    def _arm_grid_exit(self, request: GridExit) -> None:
        label = f"exit {place_words(request, self._view)}"
        self._arm("exit_leg", label, request, frozenset({"tab"}), SCOPE_HINT)

    def arm_cancel_all(self, _: str) -> None:
        pick = self.state.level(self._view) if self.state.panel is Panel.GRID else None
        bot = pick.grid.bot if pick is not None else ""
        request = CancelAll(request_id=self._new_id(), scope=CancelScope.ENTRIES, bot=bot)
        self._arm(
            "cancel_all", self._cancel_label(request), request, frozenset({"tab", "p"}), "Tab scope, p protective too"
        )

    def _cancel_label(self, request: CancelAll) -> str:
        legs = [leg for leg in self._view.legs if leg.symbol in request.symbols and request.bot in ("", leg.bot)]
        where = ", ".join(f"{clean(leg.name)}{_of_bot(request.bot)}" for leg in legs)
        where = where or place_words(request, self._view) or "desk"
        what = "ALL orders, protection too" if request.scope is CancelScope.ALL else "entry orders"
        return f"cancel {what} ({where})"

    def arm_zero_out(self, _: str) -> None:
        self._arm("zero_out", "zero out", ZeroOut(request_id=self._new_id()))

    def toggle_entries(self, _: str) -> None:
        entries = self._view.status.entries
        if entries.startswith("BLOCKED"):
            self._arm("pause", "resume entries", PauseEntries(request_id=self._new_id(), paused=False))
            return
        pick = self.state.level(self._view) if self.state.panel is Panel.GRID else None
        bot = pick.grid.bot if pick is not None else ""
        paused = not pick.grid.is_paused if pick is not None else entries.startswith("ON")
        if not paused and self.state.engine_down:
            self._flash(f"entries stay off, engine down: {self.state.engine_down}")
            return
        words = f"{'pause' if paused else 'resume'} entries{_of_bot(bot)}"
        self._submit_now(PauseEntries(request_id=self._new_id(), paused=paused, bot=bot), words)

    def cancel_order(self, _: str) -> None:
        order = self.state.order(self._view)
        if order is None:
            return
        label = f"cancel {order.role} {clean(order.tag)} of {clean(order.name)}"
        if not order.is_open:
            self._flash(f"{clean(order.tag)} is {order.state}: nothing to cancel")
        elif is_protective(order):
            self._arm("cancel_order", label, CancelOrder(request_id=self._new_id(), tag=order.tag))
        else:
            self._submit_now(CancelOrder(request_id=self._new_id(), tag=order.tag), label)

    def open_buy(self, _: str) -> None:
        self._open_entry(Side.BUY)

    def open_sell(self, _: str) -> None:
        self._open_entry(Side.SELL)

    def _open_entry(self, side: Side) -> None:
        refused = self._console.why_not(Enter(request_id=self._new_id(), side=side))
        if refused:
            self._flash(f"{side.value.lower()}: {clean(refused)}")
            return
        self.state.page = None
        self.line = EntryLine(side, self._view.legs)

    def _arm_entry(self, entry: EntryLine) -> None:
        word = "buy" if entry.side is Side.BUY else "sell"
        request = Enter(
            request_id=self._new_id(), side=entry.side, symbols=entry.symbols, lots=entry.lots, bot=entry.bot
        )
        self._arm(word, f"{word} {entry.target}", request)

    def quit(self, _: str) -> None:
        """With nothing open it stops the desk at once; else it asks, and arms stopping for one window."""
        held = open_legs(self._view) or open_grids(self._view) or working_orders(self._view)
        if not held and not self.state.engine_down:
            self.outcome = ScreenOutcome.QUIT_STOP_ENGINE
            return
        self.state.open_page(Page.QUIT)
        self._arm("quit", "stop the engine", None, frozenset({"d"}), "d leaves, engine stays")

    def ask_quit(self, _: str = "") -> None:
        """Ctrl+C and an interrupt signal: the question only."""
        self.state.open_page(Page.QUIT)

    def detach(self, _: str) -> None:
        self.outcome = ScreenOutcome.DETACHED

    def _arm(
        self, action_id: str, label: str, request: Request | None, named: frozenset[str] = frozenset(), hint: str = ""
    ) -> None:
        if request is not None:
            repeated = self._in_flight(intent_of(request))
            refused = repeated or self._console.why_not(request)
            # A level with nothing to leave may still be widened to its side: the bar says so, and nothing is sent.
            if refused and not isinstance(request, ExitLevel):
                self._flash(repeated or f"{label}: {clean(refused)}")
                return
        arming = self._arming(action_id, label, request, named, hint)
        self.bar.arm(arming, self._now_ns)
        self._note("armed", arming)

    def _arming(self, action_id: str, label: str, request: Request | None, named: frozenset[str], hint: str) -> Arming:
        action = ACTION_BY_ID[action_id]
        return Arming(
            action_id=action_id,
            label=label,
            arm_key=action.key,
            send_key=action.send_key,
            request=request,
            text=self._told(request) if request is not None else self._what_dies(),
            quantity=quantity_of(request, self._view),
            mode=mode_text(self._view),
            is_live=self._view.status.is_live,
            named_keys=named,
            hint=hint,
        )

    def _told(self, request: Request) -> str:
        """The desk's own words; of a part of a grid for which it has none, the numbers of the picture."""
        refused = isinstance(request, ExitLevel) and self._refusal(request)
        return clean(refused or self._console.describe(request) or numbers(request, self._view))

    def _refusal(self, request: Request) -> str:
        """Why it would not be sent now, or empty."""
        return self._in_flight(intent_of(request)) or self._console.why_not(request)

    def _what_dies(self) -> str:
        health = self._view.health
        if health.on_stop:
            return "; ".join(clean(words) for words in health.on_stop)
        return f"{len(health.survives_us)} orders keep resting, {len(health.dies_with_us)} watched exits die"

    def _rescope(self, armed: Arming, key: str) -> None:
        """Tab and p while a cancel or a grid's exit is armed: other scope, new numbers. d answers the quit question."""
        if armed.action_id == "quit":
            self.bar.disarm()
            self.outcome = ScreenOutcome.DETACHED
            return
        request = self._rescoped(armed.request, key)
        if request is None:
            return
        is_cancel = isinstance(request, CancelAll)
        label = self._cancel_label(request) if is_cancel else f"exit {place_words(request, self._view)}"
        refused = self._console.why_not(request)
        if refused:
            # The scope that was armed stays armed, with its own time.
            self._flash(f"{label}: {clean(refused)}")
            return
        arming = self._arming(armed.action_id, label, request, armed.named_keys, armed.hint)
        self.bar.rescope(arming, self._now_ns)
        self._note("armed", arming)

    def _rescoped(self, old: Request | None, key: str) -> CancelAll | GridExit | None:
        """The armed request with another scope; None when it has none."""
        pick = self.state.level(self._view)
        if isinstance(old, ExitLevel | ExitSide | ExitBot):
            return widened(old, pick, self._new_id()) if pick is not None else None
        if not isinstance(old, CancelAll):
            return None
        if key == "p":
            scope = CancelScope.ENTRIES if old.scope is CancelScope.ALL else CancelScope.ALL
            return msgspec.structs.replace(old, request_id=self._new_id(), scope=scope)
        if pick is not None and self.state.panel is Panel.GRID:
            return next_cancel(old, pick, self._new_id())
        leg = self.state.leg(self._view)
        symbols, bot = ((), "") if old.symbols or leg is None else ((leg.symbol,), bot_of(self._view, leg))
        return CancelAll(request_id=self._new_id(), scope=old.scope, symbols=symbols, bot=bot)

    def _send(self, armed: Arming) -> None:
        """The only door through which a dangerous request leaves."""
        if isinstance(armed.request, ExitLevel) and (refused := self._refusal(armed.request)):
            self._kept(armed, clean(refused))
            return
        self._note("sent", armed)
        if armed.request is None:
            self.outcome = ScreenOutcome.QUIT_STOP_ENGINE
            return
        self._submit(armed.request, armed.label)

    def _submit_now(self, request: Request, label: str) -> None:
        """Class 0 and 1: at once, unless the desk would refuse."""
        refused = self._in_flight(intent_of(request)) or self._console.why_not(request)
        if refused:
            self._flash(f"{label}: {clean(refused)}")
            return
        self._submit(request, label)

    def _submit(self, request: Request, label: str) -> None:
        self.sent = [
            *self.sent[-19:],
            Sent(request.request_id, intent_of(request), label, self._view.status.now_ns, self._now_ns),
        ]
        self._console.submit(request)

    def _kept(self, armed: Arming, why: str) -> None:
        self._flash(f"{why + ': ' if why else ''}{armed.label} kept, nothing sent")
        self._note("disarmed" if not why else f"disarmed, {why}", armed)

    def _note(self, verb: str, armed: Arming) -> None:
        """Arming, sending and keeping go to the journal with the numbers shown."""
        words = f"{verb} {armed.label}: {armed.text}" if armed.text else f"{verb} {armed.label}"
        self._console.submit(Note(request_id=self._new_id(), text=words))

    def _in_flight(self, intent: tuple[object, ...]) -> str:
        return already_sent(self.sent, intent, self._view, self._now_ns)

    def progress(self, sent: Sent) -> ActionView | None:
        return progress_of(sent, self._view)

    def _flash(self, text: str) -> None:
        self.state.flash(text, self._now_ns)

    # ---- harmless actions

    def reconcile(self, _: str) -> None:
        self._submit_now(ReconcileNow(request_id=self._new_id()), "reconcile")

    def acknowledge(self, _: str) -> None:
        self._submit_now(Acknowledge(request_id=self._new_id()), "acknowledge alarms")

    def reload_config(self, _: str) -> None:
        self._submit_now(ReloadConfig(request_id=self._new_id()), "reload the configuration")

    def go_panel(self, key: str) -> None:
        panel = Panel(int(key))
        if panel in self.state.panels:
            self.state.go(panel)
        elif panel is Panel.LEGS:
            self.state.go(Panel.GRID)  # which stands in the legs' place
        else:
            self._flash(f"{key}: this desk has no {'grid' if panel is Panel.GRID else 'leg to show a ladder of'}")

    def next_panel(self, _: str) -> None:
        self._turn(1)

    def previous_panel(self, _: str) -> None:
        self._turn(-1)

    def _turn(self, by: int) -> None:
        panels = self.state.panels
        self.state.go(panels[(panels.index(self.state.panel) + by) % len(panels)])

    def move_up(self, _: str) -> None:
        self.state.move(self._view, -1)

    def move_down(self, _: str) -> None:
        self.state.move(self._view, 1)

    def page_up(self, _: str) -> None:
        self.state.move(self._view, -10)

    def page_down(self, _: str) -> None:
        self.state.move(self._view, 10)

    def move_first(self, _: str) -> None:
        self.state.move(self._view, -1_000_000)

    def move_last(self, _: str) -> None:
        self.state.move(self._view, 1_000_000)

    def open_details(self, _: str) -> None:
        if self.state.page is None:
            self.state.open_page(Page.DETAILS)
        elif self.state.page is not Page.QUIT:
            self.state.page = None

    def open_help(self, _: str) -> None:
        self._toggle_page(Page.HELP)

    def open_metrics(self, _: str) -> None:
        self._toggle_page(Page.METRICS)

    def open_updates(self, _: str) -> None:
        self._toggle_page(Page.UPDATES)

    def _toggle_page(self, page: Page) -> None:
        if self.state.page is page:
            self.state.page = None
        else:
            self.state.open_page(page)

    def open_filter(self, _: str) -> None:
        self.line = FilterLine(self.state.filter_of(self.state.panel))

    def open_palette(self, _: str) -> None:
        self.line = CommandLine()

    def back(self, _: str) -> None:
        """Close the page, dismiss failures, clear the filter, leave the zoom: the first that applies."""
        state = self.state
        failed = {action.request_id for action in self._view.actions if action.failed} - self.dismissed
        if state.page is not None:
            state.page = None
        elif failed:
            self.dismissed |= failed
        elif state.filter_of(state.panel):
            state.filters[state.panel] = ""
        elif state.is_zoomed:
            state.is_zoomed = False

    def toggle_zoom(self, _: str) -> None:
        self.state.is_zoomed = not self.state.is_zoomed

    def toggle_follow(self, _: str) -> None:
        self.state.log_back = 0 if self.state.log_back else 1

    def next_layout(self, _: str) -> None:
        self.state.preset = PRESETS[(PRESETS.index(self.state.preset) + 1) % len(PRESETS)]
        self._flash(f"layout: {self.state.preset}")

    def next_theme(self, _: str) -> None:
        from tui.themes import next_theme  # the keyboard itself needs no Textual

        self.state.theme = next_theme(self.state.theme)
        self._flash(f"theme: {self.state.theme}")

    def go_severe(self, _: str) -> None:
        leg = most_severe_leg(self._view)
        order = unknown_order(self._view)
        bare = unhedged_level(self._view)
        if leg is not None:
            self.state.leg_cursor.put(leg.key)
            self.state.go(Panel.LEGS)
        elif bare is not None:
            self.state.level_cursor.put(bare.key)
            self.state.go(Panel.GRID)
        elif order is not None:
            self.state.order_cursor.put(order.tag)
            self.state.go(Panel.ORDERS)
        else:
            self._flash("nothing unprotected, nothing unknown")


def _of_bot(bot: str) -> str:
    return f" of {clean(bot)}" if bot else ""


def mode_text(view: DeskView) -> str:
    """Mode, broker and account as the top line and the arm bar say them."""
    status = view.status
    broker = "" if status.broker.casefold() in status.mode.casefold() else status.broker  # PAPER is not said twice
    return " ".join(clean(part) for part in (status.mode, broker, status.account) if part)
