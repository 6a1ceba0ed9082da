"""Adds a journal up again from its fills, and says where what is stored differs: the judgement of `strikedesk verify`.

Pure: rows come in, findings go out. Fills are the only source (I-6): orders, positions, round trips and the bots' day
totals are made from them anew, by the same rules as the desk's, and compared to the paisa. A difference is something
that cannot be; a note is something a person may want to know.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from engine.bot import BotBody
from engine.bracket_close import round_trips
from engine.bracket_state import BracketBody
from engine.desk_rows import decode_bracket, trade_id
from engine.instant import ist_date
from engine.journal.records import BotRow, BracketRow, FillRow, IntentRow, PositionRow, RunRow, TradeRow
from engine.money import rupees_text
from engine.order import EXIT_ROLES, Order, OrderState, Side

_TOLD_MAX: Final = 100
"""Differences of one check that are spelled out; the rest is counted."""


class Books(msgspec.Struct, kw_only=True):
    """The rows of one journal."""

    orders: dict[str, Order]
    """By tag."""
    fills: Sequence[FillRow] = ()
    intents: Sequence[tuple[IntentRow, str]] = ()
    """With the answer's word; empty while there is none."""
    positions: Sequence[PositionRow] = ()
    trades: Sequence[TradeRow] = ()
    brackets: Sequence[BracketRow] = ()
    bots: Sequence[BotRow] = ()
    runs: Sequence[RunRow] = ()


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the report."""

    name: str
    rows: int
    """Looked at."""
    differences: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    more: int = 0
    """Differences beyond those spelled out."""


class DayRow(msgspec.Struct, frozen=True, kw_only=True):
    """One bot, symbol and day: what its closed positions made by their fills, and by the stored round trips."""

    trading_day: str
    bot: str
    symbol: str
    trips: int
    fills_paise: int
    """Gross, recomputed."""
    stored_paise: int
    provisional: int = 0
    """Round trips among them whose price is still assumed: not compared."""

    @property
    def difference_paise(self) -> int:
        return self.stored_paise - self.fills_paise


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    checks: tuple[Check, ...]
    days: tuple[DayRow, ...]

    @property
    def differences(self) -> int:
        return sum(len(check.differences) + check.more for check in self.checks)


def audit(books: Books) -> Audit:
    """Every check over the rows of one journal."""
    bracket_check, days = _round_trips(books)
    return Audit(
        checks=(
            _orders_against_fills(books),
            _fills_have_orders(books),
            _intents(books),
            _positions(books),
            _open_brackets(books),
            bracket_check,
            _day_totals(books),
            _runs(books),
        ),
        days=days,
    )


def check_of(name: str, rows: int, differences: Iterable[str], notes: Sequence[str] = ()) -> Check:
    """A check whose long lists are cut."""
    found = list(differences)
    return Check(
        name=name,
        rows=rows,
        differences=tuple(found[:_TOLD_MAX]),
        notes=tuple(notes),
        more=max(0, len(found) - _TOLD_MAX),
    )


# --- orders and fills -------------------------------------------------------------------------------------------------


def _sums(fills: Iterable[FillRow]) -> Mapping[str, tuple[int, int]]:
    """Units and value (paise) of each tag."""
    sums: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for fill in fills:
        qty, value = sums[fill.tag]
        sums[fill.tag] = (qty + fill.qty, value + fill.qty * fill.price_paise)
    return sums


def _orders_against_fills(books: Books) -> Check:
    sums = _sums(books.fills)
    found: list[str] = []
    assumed = 0
    for tag, order in books.orders.items():
        qty, value = sums.get(tag, (0, 0))
        if (order.traded_qty, order.traded_value_paise) != (qty, value):
            found.append(
                f"order {tag}: {order.traded_qty} units for {rupees_text(order.traded_value_paise)} on its row, "
                f"{qty} units for {rupees_text(value)} in its fills"
            )
        if order.filled_qty < order.traded_qty:
            found.append(f"order {tag}: {order.filled_qty} units filled, {order.traded_qty} traded")
        if order.state is OrderState.FILLED and order.filled_qty < order.qty:
            found.append(f"order {tag}: filled, with {order.filled_qty} of {order.qty} units")
        assumed += order.is_provisional
    notes = [f"{assumed} order(s) have units without a trade record: their price is assumed"] if assumed else []
    return check_of("orders against fills", len(books.orders), found, notes)


def _fills_have_orders(books: Books) -> Check:
    found: list[str] = []
    for fill in books.fills:
        order = books.orders.get(fill.tag)
        if order is None:
            found.append(f"fill {fill.trade_id}: no order {fill.tag or 'without a tag'}")
        elif (fill.account, fill.symbol, fill.side) != (order.account, order.symbol, order.side):
            found.append(
                f"fill {fill.trade_id}: {fill.side.value} {fill.symbol} of {fill.account}, its order {order.tag} is "
                f"{order.side.value} {order.symbol} of {order.account}"
            )
        elif fill.bracket_id != order.bracket_id:
            found.append(f"fill {fill.trade_id}: of bracket {fill.bracket_id}, its order of {order.bracket_id}")
    return check_of("fills have their order", len(books.fills), found)


def _intents(books: Books) -> Check:
    """Every order was intended, and none was intended twice (O1, O3)."""
    placed = Counter(intent.tag for intent, _ in books.intents if intent.op == "place")
    found = [f"order {tag} was intended {count} times" for tag, count in placed.items() if count > 1]
    found += [
        f"intent {intent.op} {intent.tag}: no such order"
        for intent, _ in books.intents
        if intent.tag not in books.orders
    ]
    notes: list[str] = []
    taken = [tag for tag in books.orders if tag not in placed]
    if taken:
        notes.append(f"{len(taken)} order(s) without an intent: taken over from the broker's book ({_few(taken)})")
    silent = [intent.tag for intent, answer in books.intents if not answer]
    if silent:
        notes.append(f"{len(silent)} intent(s) without an answer on disk: settled by their orders ({_few(silent)})")
    return check_of("intents have their order", len(books.intents), found, notes)


def _few(tags: Sequence[str]) -> str:
    return ", ".join(tags[:3]) + (", ..." if len(tags) > 3 else "")


# --- positions --------------------------------------------------------------------------------------------------------


def _positions(books: Books) -> Check:
    """The running net and the day's sums of each symbol and product, from fills.

    A fill is counted on the day it was made; one that was booked on a later day shows in two rows that cancel out.
    """
    made: dict[tuple[str, str, str, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for fill in books.fills:
        order = books.orders.get(fill.tag)
        if order is None:
            continue
        row = made[fill.account, fill.symbol, order.product, ist_date(fill.at_ns).isoformat()]
        at = 0 if fill.side is Side.BUY else 2
        row[at] += fill.qty
        row[at + 1] += fill.qty * fill.price_paise
    stored = {(row.account, row.symbol, row.product, row.trading_day): row for row in books.positions}
    found: list[str] = []
    net: dict[tuple[str, str, str], int] = defaultdict(int)
    for key in sorted(set(made) | set(stored)):
        bought, bought_paise, sold, sold_paise = made[key]
        net[key[:3]] += bought - sold
        row, name = stored.get(key), f"{key[1]} {key[2]} on {key[3]}"
        if row is None:
            found.append(f"{name}: {bought} bought and {sold} sold by fills, no position row")
            continue
        sums = (row.buy_qty, row.buy_value_paise, row.sell_qty, row.sell_value_paise)
        if sums != (bought, bought_paise, sold, sold_paise):
            found.append(
                f"{name}: bought {row.buy_qty} for {rupees_text(row.buy_value_paise)}, sold {row.sell_qty} for "
                f"{rupees_text(row.sell_value_paise)} stored; {bought} for {rupees_text(bought_paise)}, {sold} for "
                f"{rupees_text(sold_paise)} by fills"
            )
        if row.net_qty != net[key[:3]]:
            found.append(f"{name}: net {row.net_qty:+d} stored, {net[key[:3]]:+d} by fills")
    return check_of("positions by fills", len(stored), found)


# --- brackets and round trips -----------------------------------------------------------------------------------------


def _of_bracket(books: Books) -> Mapping[str, list[Order]]:
    orders: dict[str, list[Order]] = defaultdict(list)
    for order in books.orders.values():
        orders[order.bracket_id].append(order)
    return orders


def _open_qty(body: BracketBody, orders: Iterable[Order]) -> int:
    """Units held in the position's own direction, by fills alone (I-6)."""
    total = body.adopted_qty - body.away_qty
    return total + sum(-order.filled_qty if order.role in EXIT_ROLES else order.filled_qty for order in orders)


def _body(row: BracketRow) -> BracketBody | None:
    """None for a body of a form that no release of the desk has written."""
    try:
        return decode_bracket(row.body)
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError):
        return None


def _open_brackets(books: Books) -> Check:
    orders = _of_bracket(books)
    found: list[str] = []
    unread = 0
    for row in books.brackets:
        body = _body(row)
        if body is None:
            unread += 1
            continue
        held = _open_qty(body, orders[row.bracket_id])
        if row.closed_ns and held:
            found.append(f"bracket {row.bracket_id} {row.symbol}: closed, with {held:+d} units open by fills")
        elif not row.closed_ns and row.open_qty != held:
            found.append(f"bracket {row.bracket_id} {row.symbol}: {row.open_qty:+d} units stored, {held:+d} by fills")
    notes = [f"{unread} bracket(s) of a form this program does not know"] if unread else []
    return check_of("brackets by fills", len(books.brackets), found, notes)


def _round_trips(books: Books) -> tuple[Check, tuple[DayRow, ...]]:
    """Each closed bracket's trade anew from its orders, whose values are those of their fills."""
    orders, sums = _of_bracket(books), _sums(books.fills)
    stored = {row.trade_id: row for row in books.trades}
    found: list[str] = []
    made_paise: dict[str, int] = {}
    for row in books.brackets:
        body = _body(row)
        if body is None or not row.closed_ns:
            continue
        mine = [_by_fills(order, sums.get(order.tag, (0, 0))) for order in orders[row.bracket_id]]
        if not body.adopted_qty and not any(order.filled_qty for order in mine):
            continue  # an entry that never filled
        place = {tag: number for number, tag in enumerate(body.tags)}
        mine.sort(key=lambda order, place=place: place.get(order.tag, len(place)))
        for trip in round_trips(body, mine, body.closed_reason):
            key = trade_id(trip)
            made_paise[key] = trip.gross_paise
            kept = stored.get(key)
            if kept is None:
                found.append(f"trade {key} {row.symbol}: {rupees_text(trip.gross_paise)} by fills, no row")
            elif not (kept.provisional or trip.is_provisional) and (kept.qty, kept.gross_paise) != (
                trip.qty,
                trip.gross_paise,
            ):
                found.append(
                    f"trade {key} {row.symbol}: {kept.qty} units, gross {rupees_text(kept.gross_paise)} stored; "
                    f"{trip.qty} units, {rupees_text(trip.gross_paise)} by fills"
                )
    found += [text for row in books.trades if (text := _odd_sum(row))]
    check = check_of("round trips by fills", len(books.trades), found, _trade_notes(books, made_paise))
    return check, _days(books, made_paise)


def _by_fills(order: Order, traded: tuple[int, int]) -> Order:
    return msgspec.structs.replace(order, traded_qty=traded[0], traded_value_paise=traded[1])


def _odd_sum(row: TradeRow) -> str:
    """A row that contradicts itself. Its net is before the estimated charges, which stand beside it."""
    sign = -1 if row.side is Side.SELL else 1
    gross = sign * (row.exit_value_paise - row.entry_value_paise)
    if row.gross_paise != gross:
        return f"trade {row.trade_id}: gross {rupees_text(row.gross_paise)}, its values make {rupees_text(gross)}"
    if row.net_paise != row.gross_paise - row.brokerage_paise:
        return f"trade {row.trade_id}: net {rupees_text(row.net_paise)} is not gross less costs"
    return ""


def _trade_notes(books: Books, made_paise: Mapping[str, int]) -> list[str]:
    notes: list[str] = []
    if provisional := sum(row.provisional for row in books.trades):
        notes.append(f"{provisional} round trip(s) with an assumed price: not compared")
    if apart := sum(row.trade_id not in made_paise for row in books.trades):
        notes.append(f"{apart} round trip(s) whose bracket cannot be added up again: taken as stored")
    return notes


def _days(books: Books, made_paise: Mapping[str, int]) -> tuple[DayRow, ...]:
    rows: dict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for trade in books.trades:
        day = rows[trade.trading_day, trade.bot, trade.symbol]
        day[0] += 1
        day[2] += trade.gross_paise
        day[1] += trade.gross_paise if trade.provisional else made_paise.get(trade.trade_id, trade.gross_paise)
        day[3] += trade.provisional
    return tuple(
        DayRow(
            trading_day=key[0],
            bot=key[1],
            symbol=key[2],
            trips=trips,
            fills_paise=fills,
            stored_paise=kept,
            provisional=assumed,
        )
        for key, (trips, fills, kept, assumed) in sorted(rows.items())
    )


# --- totals and runs --------------------------------------------------------------------------------------------------


def _day_totals(books: Books) -> Check:
    """What each bot remembers of its newest day against that day's round trips."""
    net: dict[tuple[str, str, str], int] = defaultdict(int)
    for trade in books.trades:
        net[trade.account, trade.bot, trade.trading_day] += trade.net_paise
    found: list[str] = []
    for row in books.bots:
        try:
            body = msgspec.json.decode(row.body, type=BotBody)
        except msgspec.MsgspecError:
            found.append(f"bot {row.bot}: its memory cannot be read")
            continue
        made = net[row.account, row.bot, body.trading_day]
        if body.day_net_paise != made:
            found.append(
                f"bot {row.bot} on {body.trading_day}: {rupees_text(body.day_net_paise)} remembered, "
                f"{rupees_text(made)} by its round trips"
            )
    return check_of("day totals", len(books.bots), found)


def _runs(books: Books) -> Check:
    """Run numbers make the tags: each once. A run without an end was killed, or is running."""
    numbers = Counter(run.run_no for run in books.runs)
    found = [f"run {number} stands {count} times" for number, count in numbers.items() if count > 1]
    killed = sum(not run.ended_ns for run in books.runs)
    return check_of("runs", len(books.runs), found, [f"{killed} run(s) without an end"] if killed else [])
