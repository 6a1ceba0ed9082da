"""The desk that the measurements share: the real one on a virtual loop, with the venue and journal a figure needs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from brokers.paper.demo_market import demo_symbol
from engine.bracket_state import BracketTerms
from engine.clock import LoopClock
from engine.desk import Desk
from engine.desk_parts import DeskLabels, DeskParts, GroupParts
from engine.entry_trigger import TriggerSettings
from engine.gateway import GatewayLimits
from engine.instrument import Instrument, OptionType, Segment
from engine.journal.store import Journal
from engine.journal.writer import Writer
from engine.legs import LegsTerms, PairPolicy
from engine.log import LogBook
from engine.port import BrokerPort, MarketPort, ReadFailed
from engine.risk import RiskLimits
from engine.secrets import Redactions
from engine.session import Calendar
from engine.tick import Tick

DAY = date(2026, 11, 25)
EXPIRY = date(2026, 12, 1)
LOT = 65
ACCOUNT = "bench"


def contracts(count: int) -> list[Instrument]:
    """Puts and calls, strike by strike."""
    pairs = [(24_500_00 + 50_00 * (number // 2), list(OptionType)[number % 2]) for number in range(count)]
    return [
        Instrument(
            symbol=demo_symbol(EXPIRY, strike_paise, kind),
            exchange="NFO",
            segment=Segment.INDEX_OPTION,
            lot_size=LOT,
            tick_paise=5,
            freeze_qty=1800,
            underlying="NIFTY",
            expiry=EXPIRY,
            strike_paise=strike_paise,
            option_type=kind,
        )
        for strike_paise, kind in pairs
    ]


class NoMarket:
    """Ticks are played, not asked for."""

    def listen(self, on_tick) -> None: ...

    async def connect(self) -> None: ...

    async def close(self) -> None: ...

    async def subscribe(self, symbols) -> None: ...

    async def instruments(self):
        return []

    async def quote(self, symbol: str) -> Tick:
        raise ReadFailed("ticks are played, not asked for")


def make_desk(
    legs: Sequence[Instrument],
    clock: LoopClock,
    port: BrokerPort,
    journal: Journal,
    writer: Writer,
    *,
    bracket: BracketTerms,
    trigger: TriggerSettings | None = None,
    limits: GatewayLimits | None = None,
    market: MarketPort | None = None,
    log: LogBook | None = None,
    indices: Sequence[Instrument] = (),
    apart: bool = False,
    account: str = ACCOUNT,
) -> Desk:
    """`apart`: every leg is a group of its own, a bot named after its symbol, so that each can enter alone."""
    run_no = journal.start_run(started_ns=clock.now_ns(), version="bench", mode="bench", account=account)
    return Desk(
        DeskParts(
            clock=clock,
            ports=(port,),
            market=market or NoMarket(),
            instruments={instrument.symbol: instrument for instrument in (*legs, *indices)},
            calendar=Calendar.load(),
            writer=writer,
            log=log or LogBook(Redactions()),
            run_no=run_no,
            bots=tuple(
                GroupParts(terms=_terms(bot, bracket, account), legs=symbols, trigger=trigger)
                for bot, symbols in _groups([leg.symbol for leg in legs], apart)
            ),
            labels=DeskLabels(mode="BENCH", broker="paper", is_live=False),
            limits=limits or GatewayLimits(),
            restored=journal.load(account, trading_day=DAY.isoformat()),
            charges_of=lambda orders, now: 0,
        )
    )


def _groups(symbols: list[str], apart: bool) -> list[tuple[str, tuple[str, ...]]]:
    return [(symbol, (symbol,)) for symbol in symbols] if apart else [("bench", tuple(symbols))]


def _terms(bot: str, bracket: BracketTerms, account: str) -> LegsTerms:
    return LegsTerms(
        bot=bot,
        account=account,
        exchange="NFO",
        product="MIS",
        lots=1,
        pair_policy=PairPolicy.INDEPENDENT,
        bracket=bracket,
        limits=RiskLimits(),
    )
