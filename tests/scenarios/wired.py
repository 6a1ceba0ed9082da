"""The desk of `tests/system` with a broker's adapter and that broker's loopback venue between it and the exchange.

The sockets are real and the time is virtual: what the exchange, the venue and the desk tell each other passes through
the kernel before any timer rings. So the same scenario runs to the same instant through every adapter.
"""

from __future__ import annotations

import asyncio
import runpy
import selectors
from collections import deque
from collections.abc import Callable, Coroutine
from pathlib import Path
from random import Random
from typing import Any

from brokers.paper import wire
from brokers.paper.account import PaperAccount
from brokers.paper.exchange import PaperExchange
from brokers.venue.site import VenueTerms
from brokers.wire.tools import SessionTools
from engine.clock import LoopClock
from engine.config.accounts import ACCOUNT_KINDS
from engine.instant import NS_PER_S
from engine.order import OrderState
from engine.port import Answer, BrokerPort, OrderChange, OrderRequest, ReadFailed, Refused, Unknown
from engine.tick import Tick
from tui.broker_sessions import make_session
from tui.rehearsal import make_venue, rehearsal_secret, rehearsed

SYSTEM = runpy.run_path(str(Path(__file__).resolve().parents[1] / "system" / "conftest.py"))
_SETTLE_S = 0.001
"""Virtual: the test's hand moves after what it showed before has arrived."""
_WORD_S = 300
"""Virtual: no broker's rule for a missing order takes longer."""
_STEP_S = 0.5


class Patience:
    """A selector that never waits while virtual time can pass instead: what is on a loopback socket has arrived, so
    with nothing there the clock jumps to the next timer. Only a thread that works is waited for."""

    def __init__(self) -> None:
        self._inner = selectors.DefaultSelector()
        self.jump: Callable[[float], None]
        self.threads = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def select(self, timeout: float | None = None) -> list[Any]:
        found = self._inner.select(0)
        if found or timeout == 0:
            return found
        if self.threads:
            return self._inner.select(0.05)
        assert timeout is not None, "every task waits and no timer is set"
        self.jump(timeout)
        return []


class WiredLoop(asyncio.SelectorEventLoop):
    """Loop time starts at 0 and jumps from timer to timer."""

    def __init__(self) -> None:
        self._now_s = 0.0
        self._patience = Patience()
        self._patience.jump = self._jump
        super().__init__(self._patience)  # type: ignore[arg-type]

    def time(self) -> float:
        return self._now_s

    def _jump(self, seconds: float) -> None:
        self._now_s += max(seconds, 0.0)

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:
        done = super().run_in_executor(executor, func, *args)
        self._patience.threads += 1
        done.add_done_callback(self._thread_done)
        return done

    async def shutdown_default_executor(self) -> None:
        self._patience.threads += 1
        await super().shutdown_default_executor()

    def _thread_done(self, _future: object) -> None:
        self._patience.threads -= 1


class ListedMarket(SYSTEM["HandMarket"]):
    """Prices by hand, as a venue serves them: with a list of its contracts and the newest price by request."""

    def __init__(self, listed: list[Any]) -> None:
        super().__init__()
        self._listed = listed
        self._newest: dict[str, Tick] = {}
        self.listen(lambda tick: self._newest.update({tick.symbol: tick}))

    async def instruments(self) -> list[Any]:
        return self._listed

    async def quote(self, symbol: str) -> Tick:
        if symbol not in self._newest:
            raise ReadFailed("nobody has traded it")
        return self._newest[symbol]


class ScriptedAccount:
    """The venue's side of the account: `script` holds what becomes of the next writes instead of what is asked."""

    def __init__(self, inner: BrokerPort) -> None:
        self._inner = inner
        self.script: deque[Answer] = deque()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def place(self, request: OrderRequest) -> Answer:
        return self.script.popleft() if self.script else await self._inner.place(request)

    async def modify(self, change: OrderChange) -> Answer:
        return self.script.popleft() if self.script else await self._inner.modify(change)

    async def cancel(self, tag: str, broker_id: str) -> Answer:
        return self.script.popleft() if self.script else await self._inner.cancel(tag, broker_id)


class OneAccountFloor:
    """Whoever logs in trades the account `paper`. Implements `brokers.paper.server.Floor`."""

    def __init__(self, clock: LoopClock, market: ListedMarket, exchange: PaperExchange, account: PaperAccount) -> None:
        self.clock = clock
        self.market = market
        self.scripted = ScriptedAccount(account)
        self._exchange = exchange
        self._names: list[str] = []

    @property
    def anchor(self) -> wire.VenueClock:
        return wire.VenueClock(venue_ns=self.clock.now_ns(), monotonic_ns=0, speed=1.0)

    async def account(self, name: str) -> Any:
        self._names.append(name)
        return self.scripted

    def ledger(self) -> wire.VenueLedger:
        kept = self._exchange.ledger("paper")
        rows = [
            wire.AccountLedger(
                name=name, account_id="paper", opening_paise=kept.cash_paise, cash_paise=kept.cash_paise,
                orders=list(kept.orders.values()), trades=list(kept.trades), positions=kept.position_reports(),
            )
            for name in self._names
        ]  # fmt: skip
        return wire.VenueLedger(venue_ns=self.clock.now_ns(), accounts=rows)


class WiredVenue(SYSTEM["Venue"]):
    """The adapter's account as the desk sees it. What the test scripts is answered by the venue, over the socket."""

    def __init__(self, account: Any, clock: LoopClock, scripted: ScriptedAccount) -> None:
        super().__init__(account, clock)
        self._scripted = scripted

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    @property
    def account_id(self) -> str:
        """The name that the scenarios know it by."""
        return "paper"

    @property
    def ambiguity_s(self) -> float:
        return self.inner.ambiguity_s

    async def _write(self, op: str, request: Any, call: Callable[[], Coroutine[Any, Any, Answer]]) -> Answer:
        self.calls.append((op, request))
        scripted = self.script(op, request)
        if scripted is not None:
            assert isinstance(scripted, (Refused, Unknown)), "what a venue can be told to answer"
            self._scripted.script.append(scripted)
        return await call()


class WiredRig(SYSTEM["Rig"]):
    """`open` it; `close` gives sockets back."""

    def __init__(self, setup: Any, clock: LoopClock, market: ListedMarket, exchange: PaperExchange, site: Any) -> None:
        self.site = site
        self.scripted: ScriptedAccount = site.floor.scripted
        self.session: Any
        self._wire = (setup, clock, market, exchange)

    @classmethod
    async def open(cls, kind: str, setup: Any) -> WiredRig:
        clock = LoopClock(asyncio.get_running_loop(), setup.start_ns)
        known = {symbol: setup.lot_of.get(symbol, SYSTEM["LOT"]) for symbol in setup.all_symbols}
        listed = [setup.instruments.get(each) or SYSTEM["option"](each, lot=lot) for each, lot in known.items()]
        exchange = PaperExchange(listed, setup.rules, lambda *_: True)
        market = ListedMarket(listed)
        market.listen(exchange.on_tick)
        account = PaperAccount("paper", exchange, clock, Random(setup.seed), latency=setup.latency)
        await account.connect()
        floor: Any = OneAccountFloor(clock, market, exchange, account)
        site = make_venue(kind, floor, Random(3), VenueTerms(writes_per_s=1_000), lambda _text: None)
        await site.start()
        rig = cls(setup, clock, market, exchange, site)
        await rig._log_in(kind)
        return rig

    async def _log_in(self, kind: str) -> None:
        setup, clock, market, exchange = self._wire
        terms = rehearsed(ACCOUNT_KINDS[kind](kind=kind), f"127.0.0.1:{self.site.port}")  # type: ignore[call-arg]
        self.notes: list[str] = []
        tools = SessionTools(clock=clock, random=Random(1), note=self.notes.append)
        self.session = make_session(terms, rehearsal_secret, tools)
        await self.session.open()
        super().__init__(setup, None, exchange, clock, market)

    def _venue(self, account: str) -> WiredVenue:
        self.feed = self.session.feed
        return WiredVenue(self.session.account, self.clock, self.scripted)

    async def close(self) -> None:
        await self.session.close()
        await self.site.close()

    def request(self, kind: Any, **fields: Any) -> None:
        """As a person's key: after the prices that are under way."""
        self.clock.call_at(
            self.clock.now_ns() + round(_SETTLE_S * NS_PER_S), lambda: super(WiredRig, self).request(kind, **fields)
        )

    async def quiet(self, seconds: float, price: Any = 100.0, step: float = 1.0) -> None:
        """And on, while the desk waits for its broker's word: each has its own time in which a missing order may yet
        come, and its own way to tell of trades."""
        await super().quiet(seconds, price, step)
        end_ns = self.clock.now_ns() + _WORD_S * NS_PER_S
        while self._waits and self.clock.now_ns() < end_ns:
            await super().quiet(_STEP_S, price, step)
            if not self._waits:
                await super().quiet(_STEP_S, price, step)

    @property
    def _waits(self) -> bool:
        doubted = any(order.state is OrderState.UNKNOWN for order in self.desk.blotter.orders.values())
        legs = [leg for bot in self.desk.bots.values() for leg in bot.legs.values()]
        gone = any(leg.is_active and self.exchange_closed(leg.symbol) for leg in legs)
        bare = any(leg.is_active and leg.bracket.covered_qty < leg.bracket.open_qty for leg in legs)
        return doubted or gone or bare

    def exchange_closed(self, symbol: str) -> bool:
        """The units have been sold, and no order is left."""
        return self.net(symbol) == 0 and not self.working(symbol)


def run_wired(kind: str) -> Callable[..., Any]:
    """`run_desk` of the system's tests through the adapter of `kind`."""

    def run(scenario: Callable[[Any], Coroutine[Any, Any, Any]], setup: Any = None) -> Any:
        async def main() -> Any:
            rig = await WiredRig.open(kind, setup or SYSTEM["Setup"]())
            try:
                await rig.desk.start()
                result = await scenario(rig)
                assert not rig.desk.failures, list(rig.desk.failures)
                return result
            finally:
                await rig.close()

        with asyncio.Runner(loop_factory=WiredLoop) as runner:
            return runner.run(main())

    return run
