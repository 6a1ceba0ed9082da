"""Knobs of what the broker tells (updates, books) and of what people and the exchange do (UPD, NET, EXI, HUM)."""

from __future__ import annotations

from typing import Final

from brokers.paper.faults.knob import READS, UPDATES, Door, Effect, Knob, deed, once, span
from engine import refusals

_READS: Final = tuple(sorted(READS))
_UPDATES: Final = tuple(sorted(UPDATES))

_TOLD: Final = (
    span("ORD-13", "broker.tag=NONE", "The broker drops our tag; finding orders by their shape is the adapter's task.",
         Effect.NO_TAG, *_READS, *_UPDATES, per_day=0),
    span("ORD-13", "broker.tag=CONST", "The broker puts one word in place of every tag.", Effect.ONE_TAG, *_READS,
         *_UPDATES, per_day=0, text="GATEWAY"),
    span("ORD-26", "gw.status=CARRY_PREVIOUS", "An unfinished row of the book carries the status of the row before.",
         Effect.CARRY_STATE, Door.READ_ORDERS, per_day=0),
    span("ORD-27", "gw.filled=ABSENT", "The order book carries no filled quantity of unfinished orders.",
         Effect.NO_FILLED, Door.READ_ORDERS, span_ms=(60_000, 1_800_000)),
    once("UPD-02", "ws.dup", "An update comes twice.", Effect.DOUBLE, *_UPDATES, bps=1_000, span_ms=(1, 3_000),
         daily=True),
    once("UPD-03", "ws.reorder", "An update comes after later ones.", Effect.HOLD, *_UPDATES, bps=1_000,
         span_ms=(100, 5_000), daily=True),
    once("UPD-04", "ws.replay_all", "The whole history of updates comes again.", Effect.REPLAY_ALL, *_UPDATES, bps=50),
    once("UPD-05", "ws.drop_one", "One update never comes.", Effect.DROP, *_UPDATES, bps=500),
    span("UPD-06", "ws.gap", "Every update of a while is lost.", Effect.DROP, *_UPDATES, per_day=3),
    once("UPD-10", "ws.fill=INVALID", "Before the true record comes one that cannot be right.", Effect.INVALID,
         *_UPDATES, bps=100),
    span("UPD-11", "broker.px_mismatch", "The average price of the order book differs from the trade book.",
         Effect.OFF_AVERAGE, Door.READ_ORDERS, Door.ORDER_UPDATE, span_ms=(60_000, 1_800_000), amount=5,
         amount_is="paise of difference"),
    span("NET-02", "ws.flap", "The update stream goes down and up every two seconds.", Effect.DROP_BY_TURNS, *_UPDATES),
    span("NET-05", "ws.down", "The streams are down, requests work.", Effect.DROP, *_UPDATES, Door.TICK),
    once("NET-06", "get.stale", "A read answers with what it said before.", Effect.STALE, *_READS, bps=300),
    once("NET-07", "get=[]", "A read answers with an empty list, as if nothing were there.", Effect.EMPTY, *_READS,
         bps=0),
    once("NET-07", "get=ERROR_WITH_EMPTY", "A read answers with an empty list and an error status.", Effect.FAIL,
         *_READS, bps=300, text="HTTP 403 with an empty list", daily=True),
    once("NET-08", "get.truncate", "A read answers with the newest half of the list.", Effect.TRUNCATE,
         Door.READ_ORDERS, Door.READ_TRADES, bps=0),
    once("NET-09", "get=200_HTML", "A portal answers a read with a page.", Effect.FAIL, *_READS, bps=100,
         text="HTTP 200 with HTML"),
    once("TIM-09", "ts.equal", "An update carries the instant of the one before.", Effect.SAME_INSTANT, *_UPDATES,
         bps=500, daily=True),
)  # fmt: skip

_AT_THE_EXCHANGE: Final = (
    once("EXI-04", "exch.lpp=CANCEL_AT_MATCH", "The exchange cancels a stop in the moment it triggers.",
         Effect.CANCEL_AT_TRIGGER, Door.TRIGGER, bps=1_000, text="16573 : cancelled by limit price protection"),
    span("EXI-16", "px.lock", "A circuit lock: nobody buys (percent < 0) or nobody sells (> 0).", Effect.LOCK,
         Door.MATCH, span_ms=(2_000, 30_000), amount=-1, amount_is="-1 = no buyers, 1 = no sellers",
         seeded_amounts=(-1, 1)),
    span("UPD-08", "match.partial", "Orders fill in small parts, tick by tick.", Effect.TRICKLE, Door.MATCH, per_day=4,
         span_ms=(10_000, 600_000), amount=1, amount_is="lots a tick", daily=True),
    deed("EXI-01", "px.spike", "Target and stop of a position both fill, inside the cancel's latency.",
         Effect.FILL_BOTH_EXITS),
    deed("EXI-02", "match.partial(target)", "A resting target fills in part.", Effect.FILL_PART_TARGET, per_day=2,
         amount=1, amount_is="lots filled"),
    deed("UPD-07", "ws.foreign", "Somebody places an order of his own; its updates come to us too.", Effect.FOREIGN,
         per_day=2, amount=1, amount_is="lots"),
    deed("UPD-13", "exch.trade_bust", "The exchange takes a trade back.", Effect.BUST, per_day=0),
)  # fmt: skip

_HANDS: Final = (
    deed("HUM-01", "manual.close", "The trader closes the position in the broker's app.", Effect.CLOSE),
    deed("HUM-02", "manual.partial", "The trader closes a part of the position.", Effect.REDUCE, amount=1,
         amount_is="lots"),
    deed("HUM-02", "manual.add", "The trader adds to the position.", Effect.ADD, amount=1, amount_is="lots"),
    deed("HUM-03", "manual.cancel_sl", "The trader cancels our stop.", Effect.CANCEL_STOP),
    deed("HUM-04", "manual.modify", "The trader changes the price of one of our orders.", Effect.MODIFY_ORDER,
         amount=2, amount_is="ticks away from the market"),
    deed("HUM-05", "manual.net", "The trader sells what the bot holds, with an order of his own.", Effect.OPPOSE),
    deed("HUM-08", "rms.square", "The broker's risk desk sells a part of the position.", Effect.SQUARE_PART, amount=50,
         amount_is="percent of the position", seeded_amounts=(30, 50, 100)),
    span("HUM-09", "broker.kill", "The account's kill switch: orders cancelled, new ones refused.", Effect.KILL,
         Door.HAND, Door.PLACE, per_day=0, code=refusals.NOT_ALLOWED, text="kill switch is on"),
    deed("EXI-12", "rms.autosquareoff", "The broker squares off every position itself, cancelling orders first.",
         Effect.SQUARE_ALL, span_ms=(300_000, 300_000)),
    deed("EXI-13", "rms.autosquareoff=SKIP", "The broker's own square-off does not happen.", Effect.SQUARE_NOT),
    deed("EXI-15", "pos.convert", "The position is converted to another product.", Effect.CONVERT, per_day=0),
)  # fmt: skip

VENUE_KNOBS: Final[tuple[Knob, ...]] = (*_TOLD, *_AT_THE_EXCHANGE, *_HANDS)
