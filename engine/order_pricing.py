"""Limits for orders that must fill: marketable limits through the touch, and the limit below a stop's trigger.

No bare MARKET and no SL-M leaves for a venue that refuses them (CON-05, HRD-12), so "market" is priced here.
"""

from __future__ import annotations

from engine.instrument import Instrument
from engine.money import ceil_to_tick, floor_to_tick
from engine.order import Side
from engine.outlier import is_jump
from engine.tick import Tick
from engine.venue_rules import lpp_gap_paise, stop_gap_max_paise

_FULL_BPS = 10_000
AUTO_GAP_BPS = 200
"""Stop limit 2 % through its trigger, at least one tick (HRD-12; one tick alone is jumped over, BUG-18)."""
ONE_TICK_GAP = -1
"""The seed's literal one-tick gap."""


def touch_paise(side: Side, tick: Tick) -> int:
    """The price an order of this side would meet: the opposite touch, else the last price; 0 when there is neither.

    A crossed book (bid above ask) is no touch to price from (MKT-08), nor is a side that stands alone further from the
    last price than the exchange lets an order trade; both sides together tell that the last price is an old one.
    """
    bid, ask, ltp = max(tick.bid_paise, 0), max(tick.ask_paise, 0), tick.ltp_paise
    touch = ask if side is Side.BUY else bid
    if not touch or (bid > 0 and 0 < ask < bid):
        return ltp
    is_two_sided = bid > 0 and ask > 0 and not is_jump(ask, bid)
    return touch if is_two_sided or not is_jump(touch, ltp) else ltp


def marketable_limit(side: Side, tick: Tick, instrument: Instrument, protection_bps: int) -> int:
    """Limit through the touch by the protection band, on the tick, inside limit-price protection; 0 without a price."""
    touch = touch_paise(side, tick)
    if touch <= 0:
        return 0
    band = touch * protection_bps // _FULL_BPS
    if instrument.is_option:
        band = min(band, lpp_gap_paise(tick.ltp_paise or touch))
    if side is Side.BUY:
        return ceil_to_tick(touch + band, instrument.tick_paise)
    return max(floor_to_tick(touch - band, instrument.tick_paise), instrument.tick_paise)


def stop_limit(side: Side, trigger_paise: int, instrument: Instrument, gap_bps: int) -> int:
    """Limit of a stop-limit order of `side`: beyond the trigger by the gap, at least one tick, never below one tick."""
    tick = instrument.tick_paise
    gap = tick if gap_bps == ONE_TICK_GAP else max(tick, trigger_paise * gap_bps // _FULL_BPS)
    gap_max = stop_gap_max_paise(instrument, trigger_paise)
    if gap_max:
        gap = min(gap, gap_max)
    if side is Side.BUY:
        return floor_to_tick(trigger_paise + gap, tick)
    return max(ceil_to_tick(trigger_paise - gap, tick), tick)
