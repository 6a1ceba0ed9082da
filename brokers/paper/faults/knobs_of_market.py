"""Knobs of the market's data: ticks, quotes, the day's instruments, and the market itself (MKT, REF, EXI)."""

from __future__ import annotations

from typing import Final

from brokers.paper.faults.knob import Door, Effect, Knob, once, span

_TICK, _QUOTE, _MARKET, _MASTER = Door.TICK, Door.QUOTE, Door.MARKET, Door.MASTER
_ABSURD_PAISE: Final = 10**14
"""1e12 rupees."""

MARKET_KNOBS: Final[tuple[Knob, ...]] = (
    span("MKT-01", "feed.stall", "Ticks stop while the connection looks alive; quotes still answer.", Effect.MUTE,
         _TICK, per_day=3),
    span("MKT-03", "feed.reconnect_no_resub", "After a reconnect the subscriptions are gone until asked for again.",
         Effect.MUTE_UNTIL_ASKED, _TICK),
    span("MKT-04", "feed.mute", "Connected and subscribed, but the token is stale: no ticks, no quotes.", Effect.MUTE,
         _TICK, _QUOTE),
    once("MKT-05", "feed.replay", "Ticks of the last seconds come once more.", Effect.REPLAY_TICKS, _TICK, bps=5,
         amount=20, amount_is="ticks told again"),
    once("MKT-06", "tick=0", "A tick with price zero.", Effect.PRICE, _TICK, bps=5),
    once("MKT-06", "tick=-1", "A tick with a negative price.", Effect.PRICE, _TICK, bps=5, amount=-1,
         amount_is="paise"),
    once("MKT-06", "tick=1e12", "A tick with an absurd price.", Effect.PRICE, _TICK, bps=5, amount=_ABSURD_PAISE,
         amount_is="paise"),
    once("MKT-06", "tick=OFF_TICK", "A tick whose prices are no multiples of the tick size.", Effect.OFF_TICK, _TICK,
         bps=5, amount=2, amount_is="paise beside the true price"),
    once("MKT-06", "tick=NaN", "A price that is no number: the feed's parser drops it, so the tick never comes.",
         Effect.NOT_A_NUMBER, _TICK, bps=5),
    once("MKT-07", "tick.scale=x100", "A price in the wrong unit.", Effect.SCALE, _TICK, bps=5, amount=100,
         amount_is="times the true price"),
    once("MKT-08", "book.crossed", "Bid above ask.", Effect.CROSS, _TICK, bps=10),
    once("MKT-08", "bid=0", "The bid is missing.", Effect.ONE_SIDED, _TICK, bps=20),
    span("MKT-09", "tick.ltp_old", "The last price stands still while bid and ask move.", Effect.OLD_PRICE, _TICK),
    span("MKT-10", "ref.token_swap", "The feed sends another contract's prices under this name.", Effect.SWAP, _TICK,
         per_day=0),
    span("MKT-11", "feed.burst", "Every tick comes many times.", Effect.BURST, _TICK, span_ms=(1_000, 10_000),
         amount=10, amount_is="times each tick comes", daily=True),
    span("MKT-12", "tick.skew", "The feed's clock is off.", Effect.SHIFT_TIME, _TICK, amount=-3_000,
         amount_is="milliseconds added to the tick's instant", seeded_amounts=(-20_000, -3_000, -500, 500, 3_000)),
    span("MKT-13", "feed.yesterday", "The feed sends another day's ticks.", Effect.SHIFT_TIME, _TICK,
         amount=-86_400_000, amount_is="milliseconds added to the tick's instant"),
    span("EXI-03", "px.gap", "The market jumps, past the limits of stops, and comes back.", Effect.SHIFT_PRICE, _MARKET,
         _QUOTE, per_day=4, span_ms=(1_000, 15_000), amount=-12, amount_is="percent of the price",
         seeded_amounts=(-40, -25, -15, -8, 8, 20)),
    span("TIM-07", "session.halt", "Trading is halted: no orders, no fills, no ticks.", Effect.HALT, _MARKET, _TICK,
         _QUOTE, Door.PLACE, Door.MODIFY, per_day=0),
    span("REF-01", "ref.lot", "The day's instruments carry another lot size.", Effect.LOT, _MASTER, per_day=0,
         amount=75, amount_is="units of a lot"),
    span("REF-07", "ref.freeze=1", "The day's instruments carry a wrong freeze quantity.", Effect.FREEZE, _MASTER,
         per_day=0, amount=1, amount_is="units"),
    span("REF-08", "ref.tick", "The day's instruments carry another tick size.", Effect.TICK_SIZE, _MASTER, per_day=0,
         amount=10, amount_is="paise"),
)  # fmt: skip
