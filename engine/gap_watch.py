"""Sees a price jump away from the one before it while a position is open, and calls a person (RTP-09, RTP-45).

Pure. It decides nothing: the levels of an open position are compared with every price anyway (RTP-10), so a gap needs
no second look. Told behind the tick (`soon`), because an exit that the same price fires must not wait for a sentence.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from engine.alerts import AlertKind
from engine.messages import Msg
from engine.money import divide_half_up, rupees_text
from engine.tick import Tick

if TYPE_CHECKING:
    from engine.desk import Desk

_LEAST_TICKS: Final = 5
"""On a ₹2 option one tick of 0.05 is 2.5 %: a smaller step than this many ticks is no gap (BUG-36)."""
_BPS: Final = 10_000


def is_gap(last_paise: int, ltp_paise: int, *, bps: int, tick_paise: int) -> bool:
    """At least `bps` of the last price, and more than a few ticks. The first price is no gap."""
    if last_paise <= 0 or ltp_paise <= 0:
        return False
    step = abs(ltp_paise - last_paise)
    return step * _BPS >= last_paise * bps and step >= _LEAST_TICKS * tick_paise


class GapWatch:
    """A listener of the market beside the desk."""

    def __init__(self, desk: Desk, bps: int, soon: Callable[[Callable[[], None]], object]) -> None:
        self._desk = desk
        self._bps = bps
        self._soon = soon
        self._last: dict[str, Tick] = {}

    def on_tick(self, tick: Tick) -> None:
        last = self._last.get(tick.symbol)
        if tick.ltp_paise <= 0 or (last is not None and tick.at_ns < last.at_ns):
            return
        self._last[tick.symbol] = tick
        if last is None or abs(tick.ltp_paise - last.ltp_paise) * _BPS < last.ltp_paise * self._bps:
            return  # nearly every tick
        book = self._desk.prices.get(tick.symbol)
        if book is None or not is_gap(
            last.ltp_paise, tick.ltp_paise, bps=self._bps, tick_paise=book.instrument.tick_paise
        ):
            return
        if any(bracket.body.symbol == tick.symbol and bracket.open_qty for bracket in self._desk.open_brackets()):
            self._soon(lambda: self._tell(tick, last.ltp_paise))

    def _tell(self, tick: Tick, last_paise: int) -> None:
        desk = self._desk
        share = rupees_text(divide_half_up(abs(tick.ltp_paise - last_paise) * _BPS, last_paise))
        text = f"Gap in {tick.symbol}: {rupees_text(last_paise)} to {rupees_text(tick.ltp_paise)}, {share}%"

        def say(_now_ns: int) -> None:
            desk.say(Msg.GAP, symbol=tick.symbol, change=share)
            desk.out.alert(AlertKind.GAP.value, tick.symbol, text)

        desk.step(say)
