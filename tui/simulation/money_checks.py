"""Checks on the books: fills once, profit to the paisa, every CRITICAL heard. Invariants A1, A2, A3, I-6 and I-9."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from engine.alerts import REPEAT_NS
from engine.port import PositionReport
from tui.simulation.oracle import Verdicts
from tui.simulation.truth import Truth


class FillOnce:
    """A2: no fill is written a second time, and none is written that the exchange did not make."""

    is_of_the_wire = True

    def look(self, truth: Truth, verdicts: Verdicts) -> None:
        for trade_id in truth.fills_repeated:
            verdicts.broken("A2", trade_id, "the same fill was booked twice")
        truth.fills_repeated.clear()

    def finish(self, truth: Truth, verdicts: Verdicts) -> None:
        made = {
            (trade.trade_id, trade.tag): (trade.side.value, trade.qty, trade.price_paise)
            for trade in truth.trades
            if trade.tag in truth.intents
        }
        for key in made.keys() - truth.fill_rows.keys():
            verdicts.broken("A2", key[0], f"fill of {key[1]} is not in the journal")
        for key in truth.fill_rows.keys() - made.keys():
            if key[0] in truth.busted:
                continue  # it was made, and taken back after it was booked
            verdicts.broken("A2", key[0], f"fill of {key[1]} in the journal was never made")
        for key in made.keys() & truth.fill_rows.keys():
            if made[key] != truth.fill_rows[key]:
                verdicts.broken("A2", key[0], f"exchange {made[key]}, journal {truth.fill_rows[key]}")


class ProfitIsExact:
    """A1, I-6: what the trade rows say of a bracket is what its fills moved at the exchange, to the paisa."""

    def finish(self, truth: Truth, verdicts: Verdicts) -> None:
        booked: Counter[str] = Counter()
        for bracket_id, gross_paise in truth.trade_rows.values():
            booked[bracket_id] += gross_paise
        for key, group in truth.groups.items():
            is_ours_alone = key not in truth.touched and key not in truth.twins
            if group.held_qty == 0 and is_ours_alone and booked[key] != group.cash_paise:
                text = f"{group.symbol}: journal {booked[key]}, exchange {group.cash_paise} paise"
                verdicts.broken("A1", key, text)


class LedgerAgrees:
    """A1, A3: the exchange's cash and positions are those of its trade log, ours and foreign ones together."""

    def __init__(
        self, opening_paise: int, cash_paise: Callable[[], int], positions: Callable[[], list[PositionReport]]
    ) -> None:
        self._opening_paise = opening_paise
        self._cash_paise = cash_paise
        self._positions = positions

    def finish(self, truth: Truth, verdicts: Verdicts) -> None:
        moved = -sum(trade.side.sign * trade.qty * trade.price_paise for trade in truth.trades)
        cash = self._cash_paise() - self._opening_paise
        if cash != moved:
            verdicts.broken("A1", "ledger", f"cash moved {cash}, trades {moved} paise")
        net: Counter[str] = Counter()
        for row in self._positions():
            net[row.symbol] += row.net_qty
        for symbol in net.keys() | truth.net.keys():
            if net[symbol] != truth.net[symbol]:
                verdicts.broken("A3", symbol, f"positions {net[symbol]}, trades {truth.net[symbol]}")


class CriticalIsHeard:
    """I-9: every CRITICAL and every alarm that the journal holds reached the alert channel.

    The same alert is told once a minute at the most (RTP-45): one about the same instrument within that span stands for
    its repeats.
    """

    def look(self, truth: Truth, verdicts: Verdicts) -> None:
        for at_ns, symbol, text in truth.to_be_heard:
            if not any(_stands_for(heard, at_ns, symbol, text) for heard in truth.heard):
                verdicts.broken("I-9", text[:60], f"not heard: {text}")
        truth.to_be_heard.clear()


def _stands_for(heard: tuple[int, str, str], at_ns: int, symbol: str, text: str) -> bool:
    heard_ns, heard_symbol, heard_text = heard
    return text in heard_text or (heard_symbol == symbol and heard_ns >= at_ns - REPEAT_NS)
