"""A fake desk for the screen: a scripted picture, a list of what was submitted, and a clock that stands still."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import pytest
from textual.pilot import Pilot

from engine.config.load import load
from engine.instant import NS_PER_MS, NS_PER_S, at_ist
from engine.metrics import Metrics
from engine.operator import CancelAll, CancelOrder, Enter, ExitLeg, Note, PauseEntries, Request, ZeroOut
from engine.order import OrderState, OrderType, Pending, Role, Side
from engine.view import (
    ActionView,
    AlarmView,
    BracketState,
    BracketView,
    CountView,
    DeskView,
    ExitStyle,
    ExitView,
    HealthView,
    LadderRow,
    LegView,
    LogLine,
    MetricView,
    OrderView,
    ProtectionWord,
    StatusView,
    UpdateView,
)
from engine.virtual_time import run_virtual
from tui.desk_command import open_demo, plan_of, run_engine
from tui.signals import Signals

if TYPE_CHECKING:
    from tui.app import StrikedeskApp

NOW_NS = at_ist(date(2026, 11, 23), time(10, 42, 7)) + 318 * NS_PER_MS


def ago(seconds: float) -> int:
    return NOW_NS - round(seconds * NS_PER_S)


class FakeConsole:
    """Implements `engine.console.Console` with plain data."""

    def __init__(self, view: DeskView, log: Sequence[LogLine] = ()) -> None:
        self.current = view
        self.log = list(log)
        self.submitted: list[Request] = []
        self.refusals: dict[type, str] = {}
        """Request type to the reason the desk would give."""
        self.updates: list[UpdateView] = []
        self.figures = Metrics(lambda: 0)
        self.broken = False
        """True: the next look at the desk raises, as a bug of the screen's data would."""

    def view(self) -> DeskView:
        if self.broken:
            raise RuntimeError("the picture broke")
        return self.current

    def log_since(self, seq: int) -> Sequence[LogLine]:
        return [entry for entry in self.log if entry.seq > seq]

    def ladder(self, symbol: str, rungs: int, bot: str = "") -> Sequence[LadderRow]:
        leg = next((leg for leg in self.current.legs if leg.symbol == symbol and bot in ("", leg.bot)), None)
        if leg is None or not leg.ltp_paise:
            return []
        return [rung(leg, leg.ltp_paise + (rungs // 2 - i) * leg.tick_paise, self.current.orders) for i in range(rungs)]

    def order_updates(self) -> Sequence[UpdateView]:
        return self.updates

    def metrics(self) -> Sequence[MetricView]:
        return self.figures.views()

    def counts(self) -> Sequence[CountView]:
        return self.figures.counts(requests=40, throttled=0)

    def submit(self, request: Request) -> None:
        self.submitted.append(request)

    def why_not(self, request: Request) -> str:
        return self.refusals.get(type(request), "")

    def describe(self, request: Request) -> str:
        match request:
            case ExitLeg(symbol=symbol):
                leg = next(leg for leg in self.current.legs if leg.symbol == symbol)
                side = "SELL" if leg.open_qty > 0 else "BUY"
                return f"{side} {abs(leg.open_qty)}, limit {leg.bid_paise / 100:.2f} (bid {leg.bid_paise / 100:.2f})"
            case CancelAll():
                return "cancel 2 orders (2 entry), KEEPS 2 protective"
            case ZeroOut():
                return "cancel 4 orders, then exit 2 legs (24500CE 150, 24500PE 75)"
            case Enter(side=side, lots=lots):
                return f"{side} {lots or 1} lot each: 24500CE 75, 24500PE 75"
            case CancelOrder(tag=tag):
                return f"{tag}: the leg becomes watched here"
            case PauseEntries(paused=paused):
                return "no new entries" if paused else "entries allowed again"
            case _:
                return ""

    @property
    def requests(self) -> list[Request]:
        """What was asked of the desk, without the notes for the journal."""
        return [request for request in self.submitted if not isinstance(request, Note)]

    @property
    def notes(self) -> list[str]:
        return [request.text for request in self.submitted if isinstance(request, Note)]

    def change(self, **fields: object) -> None:
        self.current = msgspec.structs.replace(self.current, version=self.current.version + 1, **fields)

    def change_status(self, **fields: object) -> None:
        self.change(status=msgspec.structs.replace(self.current.status, **fields))

    def change_leg(self, index: int, **fields: object) -> None:
        legs = list(self.current.legs)
        legs[index] = msgspec.structs.replace(legs[index], **fields)
        self.change(legs=tuple(legs))


def rung(leg: LegView, paise: int, orders: Sequence[OrderView]) -> LadderRow:
    """One rung with a deterministic book around the touch."""
    marks = [
        word
        for word, at in (
            ("LTP", leg.ltp_paise),
            ("ENTRY", leg.entry_paise),
            ("SL", leg.stop.price_paise if leg.stop else 0),
            ("TP", leg.target.price_paise if leg.target else 0),
        )
        if at == paise
    ]
    mine = [
        f"{order.side.value[0]} {order.qty} {order.role.value}"
        for order in orders
        if order.is_open and order.symbol == leg.symbol and (order.trigger_paise or order.limit_paise) == paise
    ]
    size = (paise // leg.tick_paise * 37) % 40 * leg.lot_size
    return LadderRow(
        price_paise=paise,
        bid_qty=size if paise <= leg.bid_paise else 0,
        ask_qty=size if paise >= leg.ask_paise else 0,
        mine=", ".join(mine),
        marks=" ".join(marks),
    )


def make_leg(kind: str = "CE", **fields: object) -> LegView:
    """A protected leg of two lots, as most of the day looks."""
    base: dict[str, object] = {
        "symbol": f"NIFTY24NOV24500{kind}",
        "name": f"24500{kind}",
        "option_type": kind,
        "title": f"{kind} NIFTY 24NOV 24500",
        "bot": "scalper-1",
        "style": ExitStyle.HYBRID,
        "state": BracketState.PROTECTED,
        "protection": ProtectionWord.PROTECTED,
        "open_qty": 150,
        "lots": 2,
        "lot_size": 75,
        "covered_qty": 150,
        "entry_paise": 11240,
        "ltp_paise": 11825,
        "ltp_move": 1,
        "tick_ns": ago(0.2),
        "bid_paise": 11820,
        "bid_qty": 325,
        "ask_paise": 11835,
        "ask_qty": 260,
        "unrealised_paise": 87750,
        "realised_paise": 56000,
        "stop": ExitView(
            price_paise=9800,
            limit_paise=9650,
            qty=150,
            resting=True,
            state=OrderState.TRIGGER_PENDING,
            since_ns=ago(41),
        ),
        "target": ExitView(price_paise=13000, qty=150),
        "trail": "arms at 120.00",
        "protected_since_ns": ago(41),
        "next_step": "",
        "note": "",
    }
    return LegView(**(base | fields))  # type: ignore[arg-type]


def make_order(number: int, **fields: object) -> OrderView:
    base: dict[str, object] = {
        "tag": f"SD0001{number:05d}E",
        "broker_id": f"2411230077{number:03d}",
        "symbol": "NIFTY24NOV24500CE",
        "name": "24500CE",
        "role": Role.ENTRY,
        "side": Side.BUY,
        "type": OrderType.LIMIT,
        "limit_paise": 6105,
        "trigger_paise": 0,
        "qty": 150,
        "filled_qty": 0,
        "average_paise": 0,
        "state": OrderState.WORKING,
        "pending": Pending.NONE,
        "state_ns": ago(12),
        "why": "entry",
    }
    return OrderView(**(base | fields))  # type: ignore[arg-type]


def make_stop(number: int, **fields: object) -> OrderView:
    return make_order(
        number,
        **{
            "tag": f"SD0001{number:05d}S",
            "role": Role.STOP,
            "side": Side.SELL,
            "type": OrderType.SL,
            "limit_paise": 9650,
            "trigger_paise": 9800,
            "state": OrderState.TRIGGER_PENDING,
            "state_ns": ago(41),
            "why": "stop",
        }
        | fields,
    )


def make_bracket(leg: LegView, number: int, **fields: object) -> BracketView:
    base: dict[str, object] = {
        "bracket_id": f"B0001{number:04d}",
        "name": leg.name,
        "bot": leg.bot,
        "style": leg.style,
        "state": leg.state,
        "open_qty": leg.open_qty,
        "covered_qty": leg.covered_qty,
        "working_exit_qty": leg.covered_qty,
        "stop": leg.stop,
        "target": leg.target,
        "trail": leg.trail,
    }
    return BracketView(**(base | fields))  # type: ignore[arg-type]


def make_status(**fields: object) -> StatusView:
    base: dict[str, object] = {
        "mode": "PAPER DEMO",
        "broker": "paper",
        "account": "DEMO1",
        "is_live": False,
        "now_ns": NOW_NS,
        "index_name": "NIFTY",
        "index_paise": 2451235,
        "index_move": 1,
        "feed_ns": ago(0.2),
        "order_path_ms": 41.0,
        "order_path_ns": ago(3),
        "reconciled_ns": ago(12),
        "realised_paise": 56000,
        "unrealised_paise": 69200,
        "charges_paise": 11800,
        "day_limit_paise": 1500000,
        "square_off_ns": at_ist(date(2026, 11, 23), time(15, 15)),
        "session_text": "open until 15:30",
    }
    return StatusView(**(base | fields))  # type: ignore[arg-type]


LOG = [
    LogLine(seq=1, at_ns=ago(5225), level="INFO", source="desk", text="session checks passed; entries ON"),
    LogLine(seq=2, at_ns=ago(41), level="INFO", source="you", text="enter CE 2 lots (key, confirmed)"),
    LogLine(seq=3, at_ns=ago(40), level="INFO", source="bracket B112", text="entry filled 150 @ 112.40, placing stop"),
    LogLine(seq=4, at_ns=ago(39), level="INFO", source="bracket B112", text="stop 98.00/96.50 x150 trigger-pending"),
    LogLine(seq=5, at_ns=ago(14), level="WARN", source="link", text="order stream lost (heartbeat missing 3.0 s)"),
    LogLine(seq=6, at_ns=ago(12), level="INFO", source="link", text="order stream back after 1.8 s, reconcile 0 diffs"),
]


def normal_view() -> DeskView:
    """Two protected legs, four working orders, nothing to worry about."""
    call = make_leg("CE")
    put = make_leg(
        "PE",
        open_qty=75,
        lots=1,
        covered_qty=75,
        entry_paise=9610,
        ltp_paise=9430,
        ltp_move=-1,
        tick_ns=ago(0.4),
        bid_paise=9425,
        bid_qty=150,
        ask_paise=9440,
        ask_qty=600,
        unrealised_paise=-13500,
        realised_paise=0,
        stop=ExitView(
            price_paise=8200,
            limit_paise=8050,
            qty=75,
            resting=True,
            state=OrderState.TRIGGER_PENDING,
            since_ns=ago(33),
        ),
        target=ExitView(price_paise=11500, qty=75),
        trail="off",
        protected_since_ns=ago(33),
    )
    put_stop = make_stop(
        7, symbol=put.symbol, name=put.name, qty=75, trigger_paise=8200, limit_paise=8050, state_ns=ago(33)
    )
    return DeskView(
        version=1,
        status=make_status(),
        legs=(call, put),
        brackets=(make_bracket(call, 112), make_bracket(put, 113)),
        orders=(
            make_order(11, limit_paise=11700, qty=75, state_ns=ago(4)),
            make_order(10, limit_paise=11650, filled_qty=75, average_paise=11650, state=OrderState.PART_FILLED),
            put_stop,
            make_stop(3),
            make_order(2, state=OrderState.FILLED, filled_qty=150, average_paise=11240, state_ns=ago(40)),
        ),
        health=HealthView(
            ticks_per_s=312,
            commit_ms=0.4,
            loop_lag_ms_p99=9.0,
            loop_lag_ms_worst=53.0,
            orders_last_s=2,
            orders_per_s=8,
            naked_count=3,
            naked_p50_ns=210_000_000,
            naked_p99_ns=1_900_000_000,
            naked_worst_ns=1_900_000_000,
            survives_us=("24500CE stop 98.00 x150", "24500PE stop 82.00 x75"),
            dies_with_us=("24500CE target 130.00, trail", "24500PE target 115.00"),
        ),
        log_seq=6,
    )


def naked_view() -> DeskView:
    """The put's stop was sent and refused to answer; nothing covers the leg."""
    view = normal_view()
    put = msgspec.structs.replace(
        view.legs[1],
        state=BracketState.PROTECTING,
        protection=ProtectionWord.NAKED,
        covered_qty=0,
        naked_since_ns=ago(3.4),
        stop=ExitView(price_paise=8200, limit_paise=8050, qty=75, state=OrderState.UNKNOWN, since_ns=ago(3.4)),
        next_step="look-up 2 of 5, then re-place, at 5.0s: exit",
    )
    stop = make_stop(
        9,
        broker_id="",
        symbol=put.symbol,
        name=put.name,
        qty=75,
        trigger_paise=8200,
        limit_paise=8050,
        state=OrderState.UNKNOWN,
        state_ns=ago(3.4),
    )
    bracket = make_bracket(put, 113, alarm="open and uncovered 3.4 s; at 5.0 s the desk exits it")
    return msgspec.structs.replace(
        view,
        legs=(view.legs[0], put),
        brackets=(view.brackets[0], bracket),
        orders=(*view.orders[:2], stop, *view.orders[3:]),
        health=msgspec.structs.replace(view.health, naked_qty=75, naked_since_ns=ago(3.4)),
        alarms=(AlarmView(alarm_id="A1", since_ns=ago(3.4), text="24500PE naked"),),
    )


def unknown_view() -> DeskView:
    view = naked_view()
    put = msgspec.structs.replace(view.legs[1], protection=ProtectionWord.UNKNOWN, naked_since_ns=0)
    return msgspec.structs.replace(view, legs=(view.legs[0], put))


def stale_view() -> DeskView:
    """The feed stopped nine seconds ago."""
    view = normal_view()
    legs = tuple(msgspec.structs.replace(leg, tick_ns=ago(9)) for leg in view.legs)
    return msgspec.structs.replace(view, legs=legs, status=msgspec.structs.replace(view.status, feed_ns=ago(9)))


def rejected_view() -> DeskView:
    view = normal_view()
    refused = make_order(
        12,
        broker_id="241123007712",
        state=OrderState.REJECTED,
        state_ns=ago(2),
        reject_text="RMS: [b]Margin[/b] exceeds\x1b[31m, required 1,20,000.00 available 98,120.55 for account-DEMO1",
    )
    failed = ActionView(
        request_id="K1", text="buy both", sent_ns=ago(2), finished=True, failed="margin: 1,20,000 needed"
    )
    return msgspec.structs.replace(view, orders=(refused, *view.orders), actions=(failed,))


def empty_view() -> DeskView:
    flat = {
        "state": BracketState.FLAT,
        "protection": ProtectionWord.FLAT,
        "open_qty": 0,
        "lots": 0,
        "covered_qty": 0,
        "entry_paise": 0,
        "unrealised_paise": 0,
        "realised_paise": 0,
        "stop": None,
        "target": None,
        "trail": "",
        "protected_since_ns": 0,
    }
    return DeskView(
        version=1,
        status=make_status(realised_paise=0, unrealised_paise=0, charges_paise=0),
        legs=(
            make_leg("CE", **flat),
            make_leg("PE", ltp_paise=9430, ltp_move=-1, bid_paise=9425, ask_paise=9440, **flat),
        ),
        health=HealthView(ticks_per_s=312, commit_ms=0.4, orders_per_s=8),
    )


VIEWS: dict[str, Callable[[], DeskView]] = {
    "normal": normal_view,
    "naked": naked_view,
    "unknown": unknown_view,
    "stale": stale_view,
    "rejected": rejected_view,
    "empty": empty_view,
}


@pytest.fixture
def console() -> FakeConsole:
    return FakeConsole(normal_view(), LOG)


@pytest.fixture
def console_in() -> Callable[[str], FakeConsole]:
    """A fake desk in a named state."""
    return lambda name: FakeConsole(VIEWS[name](), LOG)


@pytest.fixture(scope="session")
def fresh_console() -> Callable[[], FakeConsole]:
    """For properties, which need a new desk for every example."""
    return lambda: FakeConsole(normal_view(), LOG)


@pytest.fixture(scope="session")
def fresh_ids() -> Callable[[], Callable[[], str]]:
    return counting_ids


class StandingClock:
    """Monotonic time that moves only when told."""

    def __init__(self) -> None:
        self.ns = 1_000 * NS_PER_S

    def __call__(self) -> int:
        return self.ns

    def forward(self, seconds: float) -> None:
        self.ns += round(seconds * NS_PER_S)


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


def counting_ids() -> Callable[[], str]:
    count = iter(range(1, 1_000_000))
    return lambda: f"K{next(count)}"


@pytest.fixture
def new_id() -> Callable[[], str]:
    return counting_ids()


@pytest.fixture
def make_app(clock: StandingClock, new_id: Callable[[], str], monkeypatch: pytest.MonkeyPatch):
    """A screen on a fake desk whose frames are drawn by keys only, on a clock that stands still."""
    from tui.app import StrikedeskApp

    def make(
        console: FakeConsole, *, theme: str = "desk-dark", no_color: bool = False, **options: object
    ) -> StrikedeskApp:
        if no_color:
            monkeypatch.setenv("NO_COLOR", "1")
        else:
            monkeypatch.delenv("NO_COLOR", raising=False)
        return StrikedeskApp(console, theme=theme, frame_hz=0, mono_ns=clock, new_id=new_id)

    return make


async def settle(pilot: Pilot[Any]) -> None:
    """Wait until every layout, repaint and follow-up frame is drawn, however slow the machine is.

    One pause is not enough: a place that changed asks for a frame after its layout, and that frame for a repaint.
    """
    quiet = 0
    while quiet < 3:
        await pilot.pause()
        screen = pilot.app.screen
        busy = screen._layout_required or screen._dirty_widgets or screen._callbacks
        quiet = 0 if busy else quiet + 1


@pytest.fixture
def snap_compare(snap_compare: Callable[..., bool]) -> Callable[..., bool]:
    """The plugin's comparison, its picture taken only when the screen has settled after the keys."""

    def compare(app: StrikedeskApp, *, press: Iterable[str] = (), terminal_size: tuple[int, int]) -> bool:
        async def act(pilot: Pilot[Any]) -> None:
            await settle(pilot)
            for key in press:
                await pilot.press(key)
                await settle(pilot)
            await settle(pilot)

        return snap_compare(app, terminal_size=terminal_size, run_before=act)

    return compare


class Picture(NamedTuple):
    """What the real console answered at one instant. Implements `engine.console.Console`."""

    picture: DeskView
    log: Sequence[LogLine]
    ladders: dict[str, Sequence[LadderRow]]
    updates: Sequence[UpdateView]
    figures: Sequence[MetricView]
    counted: Sequence[CountView]

    def view(self) -> DeskView:
        return self.picture

    def log_since(self, seq: int) -> Sequence[LogLine]:
        return [entry for entry in self.log if entry.seq > seq]

    def ladder(self, symbol: str, rungs: int, bot: str = "") -> Sequence[LadderRow]:
        rows = self.ladders.get(symbol, ())
        start = max(0, (len(rows) - rungs) // 2)
        return rows[start : start + rungs]

    def order_updates(self) -> Sequence[UpdateView]:
        return self.updates

    def metrics(self) -> Sequence[MetricView]:
        return self.figures

    def counts(self) -> Sequence[CountView]:
        return self.counted

    def submit(self, request: Request) -> None:
        """A picture of the past takes no request."""

    def why_not(self, request: Request) -> str:
        return "a picture"

    def describe(self, request: Request) -> str:
        return "a picture"


LOOK_NS = 50 * NS_PER_MS
"""How often a day is looked at; a screen draws ten frames a second."""
LADDER_RUNGS = 120


async def play(
    config: Path, seed: int, steps: Mapping[str, Callable[[DeskView], bool]], faults: Path | None, end_ns: int
) -> dict[str, Picture]:
    """Run the demo day until its last step; each picture is taken when its step is true and those before it were."""
    arguments = argparse.Namespace(
        config=config, env_file=None, seed=seed, speed=float("inf"), faults=faults and str(faults), fresh=False,
        db=None, no_ui=False, json_log=False,
    )  # fmt: skip
    station, market = await open_demo(plan_of(arguments, load(config, {})))
    signals, wanted, taken = Signals(), list(steps), dict[str, Picture]()
    engine = asyncio.get_running_loop().create_task(run_engine(station, market, end_ns, signals))
    clock, console = station.clock, station.console
    while wanted and not engine.done():
        await clock.sleep_until(clock.now_ns() + LOOK_NS)
        view = console.view()
        while wanted and steps[wanted[0]](view):
            shown = msgspec.structs.replace(
                view, status=msgspec.structs.replace(view.status, account="SIM"), health=without_wall_time(view)
            )
            taken[wanted.pop(0)] = Picture(
                shown, tuple(console.log_since(0)),
                {leg.symbol: tuple(console.ladder(leg.symbol, LADDER_RUNGS)) for leg in view.legs},
                tuple(console.order_updates()), tuple(console.metrics()), tuple(console.counts()),
            )  # fmt: skip
    signals.stop.set()
    await engine
    await station.close(0)
    return taken


def without_wall_time(view: DeskView) -> HealthView:
    """The disk and the loop are measured in real time, which is never twice the same."""
    quiet = {"commit_ms": 0.0, "commit_ms_p99": 0.0, "commit_ms_worst": 0.0}
    return msgspec.structs.replace(view.health, **quiet)


@pytest.fixture(scope="session")
def take_pictures() -> Callable[..., dict[str, Picture]]:
    """Of a day in virtual time on the real desk and the real paper exchange: `(config, seed, steps, faults=)`."""

    def take(
        config: Path,
        seed: int,
        steps: Mapping[str, Callable[[DeskView], bool]],
        faults: Path | None = None,
        end_ns: int = 15 * 60 * NS_PER_S,
    ) -> dict[str, Picture]:
        return run_virtual(play(config, seed, steps, faults, end_ns))

    return take
