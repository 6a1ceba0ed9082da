"""Gives a desk everything its journal knows, before the broker is asked (design §6, LEG-72, R3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine import desk_rows
from engine.exposure_sight import resume
from engine.journal.records import PositionRow, TradeRow
from engine.messages import Msg
from engine.view import AlarmView

if TYPE_CHECKING:
    from engine.desk import Desk


def restore_desk(desk: Desk) -> None:
    """Orders first, because brackets look theirs up; whatever was not answered is in doubt until the broker is read."""
    now_ns = desk.clock.now_ns()
    desk.roll_day(now_ns)
    restored = desk.parts.restored
    for order in (*restored.finished_today, *restored.orders):
        order.doubt(now_ns)
        desk.blotter.add(order)
    images = {(row.account, row.bot): row.body for row in restored.bots}
    for name, seat in desk.seats.items():
        image = images.get((next(iter(seat.bot.places)), name))
        if image is not None:
            seat.bot.restore_body(image)
            seat.schedule.begin(seat.bot.body.trigger, now_ns, desk.out)
        seat.bot.books_known = False
        seat.bot.restore([desk_rows.decode_bracket(row.body) for row in restored.brackets if row.bot == name])
        seat.bot.remember([desk_rows.decode_bracket(row.body) for row in restored.closed_today if row.bot == name])
    for account in desk.accounts.values():
        account.reader.recovery.hold_all()
    desk.exposure.restore(restored.exposures_today)
    for bracket in desk.open_brackets():
        resume(desk.exposure, bracket)
        for text in bracket.lost_rules:
            desk.say(Msg.DESK_WARN, symbol=bracket.body.symbol, text=f"{bracket.body.symbol}: {text}")
    for row in restored.positions:
        _restore_position(desk, row)
    for row in restored.trades_today:
        _restore_trade(desk, row)
    for row in restored.alarms:
        desk.alarms[row.alarm_id] = AlarmView(
            alarm_id=row.alarm_id, since_ns=row.since_ns, text=row.text, acknowledged_ns=row.acknowledged_ns
        )
    for text in restored.differences:
        desk.say(Msg.DESK_WARN, text=f"journal: {text}")
    if restored.elsewhere:
        names = ", ".join(f"{row.symbol} {row.open_qty:+d} of {row.bot} in {row.account}" for row in restored.elsewhere)
        text = f"open in this journal, in accounts that this desk does not trade, so nobody looks after them: {names}"
        desk.say(Msg.DESK_WARN, text=text)
    if restored.brackets:
        names = ", ".join(f"{row.symbol} {row.state} {row.open_qty:+d}" for row in restored.brackets)
        desk.say(Msg.RECOVERED, text=f"{len(restored.brackets)} open bracket(s) from the journal: {names}")


def _restore_position(desk: Desk, row: PositionRow) -> None:
    position = desk.positions.of(row.account, row.symbol, row.product)
    position.net_qty = row.net_qty
    if row.trading_day == desk_rows.trading_day(desk.clock.now_ns()):
        position.buy_qty, position.buy_value_paise = row.buy_qty, row.buy_value_paise
        position.sell_qty, position.sell_value_paise = row.sell_qty, row.sell_value_paise


def _restore_trade(desk: Desk, row: TradeRow) -> None:
    seat = desk.seats.get(row.bot)
    if seat is None:
        return  # of a group that is not configured any more: history
    seat.charges[row.trade_id] = row.charges_paise
    leg = seat.bot.legs.get(row.symbol)
    if leg is not None:
        leg.realised_paise += row.net_paise
