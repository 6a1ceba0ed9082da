"""A login at a broker with no desk behind it: how the guardian and `--cancel-all` reach an account of a rehearsal.

In mode "live" nothing trades yet, so nothing of this program's can be open there, and nothing is reached.
"""

from __future__ import annotations

import asyncio
from random import Random

import msgspec

from brokers.wire.tools import SessionTools
from engine.clock import LoopClock
from engine.config.accounts import RealAccount
from engine.config.model import Config
from engine.port_reads import BrokerSession, SessionRefused
from tui.broker_sessions import make_session
from tui.broker_station import venue_clock
from tui.rehearsal import rehearsal_secret, rehearsed
from tui.start_failure import StartFailed


class LoneSession(msgspec.Struct, frozen=True):
    """Opened; whoever opened it closes it."""

    session: BrokerSession
    clock: LoopClock
    """Exchange time: the venue's."""


async def open_lone(config: Config, name: str, *, trade: bool = True, market: bool = True) -> LoneSession:
    """Log in at the venue of accounts.`name`. Raises StartFailed, also for a mode that is not a rehearsal."""
    terms = config.accounts[name]
    assert isinstance(terms, RealAccount), "others have no login"
    if not config.is_rehearsal:
        raise StartFailed(
            f'accounts.{name}: kind {terms.kind_word} cannot trade yet in mode "{config.desk.mode.value}"'
        )
    line = await venue_clock(name, terms)
    clock = LoopClock.anchored(asyncio.get_running_loop(), line.venue_ns, line.monotonic_ns, line.speed)
    tools = SessionTools(clock=clock, random=Random(), time_scale=clock.speed)
    session = make_session(rehearsed(terms, terms.rehearsal_address), rehearsal_secret, tools)
    try:
        await session.open(trade=trade, market=market)
    except SessionRefused as refusal:
        await session.close()
        raise StartFailed(f"accounts.{name}: {refusal}") from None
    return LoneSession(session, clock)
