"""`strikedesk replay`: the legs bot over recorded one-minute bars, in virtual time, on a paper account in memory.

What a bar hides is assumed (`brokers.paper.bar_replay.ASSUMPTION`), and the summary says so. A hole in a series is a
hole: no price is invented, a position in it goes blind and is left on the last known touch.
"""

from __future__ import annotations

import argparse
import itertools
import os
from typing import Final

import msgspec

from brokers.paper.bar_file import BarTape, load_bars
from brokers.paper.bar_replay import ASSUMPTION, BarReplay
from engine.config.errors import ConfigError
from engine.config.load import load
from engine.contracts import contract_facts
from engine.desk import Desk
from engine.instant import NS_PER_S, clock_text, ist_date
from engine.instrument import Instrument, Segment
from engine.messages import Msg
from engine.option_symbol import is_index_name, leg_symbols, parse_option_symbol
from engine.paths import places
from engine.view import ExitStyle
from engine.virtual_time import run_virtual
from tui.files import DeskFiles
from tui.slippage_report import COMPARED, slippage_report
from tui.station import StartFailed, Station, StationPlan
from tui.summary import summary

_BOOK_LIFE_NS: Final = 120 * NS_PER_S
"""The last touch of a series that stops is traded on for two minutes: the recorder stopped, not the market."""
_AFTER_TAPE_NS: Final = 60 * NS_PER_S


def run_replay(arguments: argparse.Namespace) -> int:
    """Returns the exit code; raises BarFileError, ConfigError or StartFailed with one line each."""
    loaded = load(arguments.config, os.environ, env_file=arguments.env_file)
    legs = leg_symbols(arguments.symbol)
    if legs is None:
        raise ConfigError([f"--symbol {arguments.symbol!r}: no option symbol such as NIFTY2631724000CE"])
    tape = load_bars(arguments.file, set(legs))
    missing = [symbol for symbol in legs if symbol not in tape.symbols]
    if missing:
        raise StartFailed(f"{arguments.file}: no bars of {', '.join(missing)}")
    settings = msgspec.structs.replace(loaded.config.legs, symbol=legs[0])
    # The tape has one group's bars, and no share's.
    config = msgspec.structs.replace(loaded.config, legs=settings, has_legs=True, groups={}, grids=())
    plan = StationPlan(
        loaded=msgspec.structs.replace(loaded, config=config),
        files=DeskFiles.of(config, places(os.environ), arguments.db),
        seed=0,
        speed=float("inf"),
        log_to="json" if arguments.json_log else "text",
        mode_words="PAPER REPLAY",
        use_journal_file=arguments.db is not None,
        book_life_ns=_BOOK_LIFE_NS,
    )
    code, desk = run_virtual(_replay(plan, tape))
    _print(_coverage(tape))
    _print(summary(desk))
    _print(_compared(plan, tape, desk))
    _print(f"decision hash {desk.decisions.text()} ({desk.decisions.count} commands)")
    return code


def _compared(plan: StationPlan, tape: BarTape, desk: Desk) -> str:
    """The same ticks again in every exit style that was not the day's own, without journal and log (RTP-44)."""
    configured = plan.loaded.config.legs.exit_style
    trips = {style: desk if style is configured else _again(plan, tape, style) for style in COMPARED}
    return slippage_report({style: list(one.trips.values()) for style, one in trips.items()})


def _again(plan: StationPlan, tape: BarTape, style: ExitStyle) -> Desk:
    config = plan.loaded.config
    legs = msgspec.structs.replace(config.legs, exit_style=style)
    loaded = msgspec.structs.replace(plan.loaded, config=msgspec.structs.replace(config, legs=legs))
    quiet = msgspec.structs.replace(plan, loaded=loaded, log_to="nothing", use_journal_file=False)
    return run_virtual(_replay(quiet, tape))[1]


async def _replay(plan: StationPlan, tape: BarTape) -> tuple[int, Desk]:
    """One run of the tape: exit code and the desk as it ended."""
    station = Station(plan)
    code = 1
    try:
        day = ist_date(tape.bars[0].at_ns)
        hours = station.hours.of_day(day)
        clock = station.start_clock(station.open_books(hours[0]))
        station.make_exchange()
        market = BarReplay(tape, lambda symbol: _instrument(symbol, tape), clock)
        instruments = await market.instruments()
        station.hours.know(instruments)
        desk = await station.build(market, instruments)
        desk.say(Msg.DESK_WARN, text=f"replay of {tape.source}: {ASSUMPTION}")
        await desk.start()
        await market.run()
        await clock.sleep_until(min(clock.now_ns() + _AFTER_TAPE_NS, hours[1] - NS_PER_S))
        code = await desk.stop("the tape is over")
    finally:
        await station.close(code)
    return code, desk


def _instrument(symbol: str, tape: BarTape) -> Instrument:
    """Facts of the recorded day from the dated contract rows; a replay never uses today's lot for an old day."""
    parsed = parse_option_symbol(symbol)
    day = ist_date(tape.bars[0].at_ns)
    facts = contract_facts(parsed.underlying, day, parsed.expiry) if parsed else None
    if parsed is None or facts is None:
        raise StartFailed(f"{symbol}: no lot and tick size known for {day}")
    return Instrument(
        symbol=symbol,
        exchange=facts.exchange,
        segment=Segment.INDEX_OPTION if is_index_name(parsed.underlying) else Segment.STOCK_OPTION,
        lot_size=facts.lot_size,
        tick_paise=facts.tick_paise,
        freeze_qty=facts.freeze_qty,
        underlying=parsed.underlying,
        expiry=parsed.expiry,
        strike_paise=parsed.strike_paise,
        option_type=parsed.option_type,
    )


def _coverage(tape: BarTape) -> str:
    """How much of the day each series covers: holes are part of the result."""
    lines = [f"replay of {tape.source}; {ASSUMPTION}"]
    for symbol in tape.symbols:
        minutes = [bar.at_ns for bar in tape.bars if bar.symbol == symbol]
        holes = sum(1 for a, b in itertools.pairwise(minutes) if b - a > 60 * NS_PER_S)
        first, last = clock_text(minutes[0]), clock_text(minutes[-1])
        lines.append(f"{symbol}: {len(minutes)} bars from {first} to {last}, {holes} hole(s)")
    return "\n".join(lines)


def _print(text: str) -> None:
    print(text)  # noqa: T201 - requested data goes to stdout
