"""What a finished run is told in: one table of round trips and the totals, to stdout."""

from __future__ import annotations

from engine.desk import Desk
from engine.desk_view import counts_of
from engine.instant import clock_text
from engine.money import divide_half_up, rupees_text
from engine.outbox import RoundTrip
from tui.figures import table_lines
from tui.lines import text_of


def summary(desk: Desk) -> str:
    """Round trips by closing time, gross, estimated charges, net; all in rupees."""
    trips = sorted(desk.trips.items(), key=lambda item: item[1].closed_ns)
    lines = [
        f"{'closed':8}  {'leg':24} {'qty':>5} {'entry':>9} {'exit':>9} {'slip':>6} {'gross':>11} {'charges':>9}"
        f" {'net':>11}  reason"
    ]
    for row_id, trip in trips:
        lines.append(_row(trip, desk.charges.get(row_id, 0)))
    gross = sum(trip.gross_paise for _, trip in trips)
    costs = sum(trip.costs_paise for _, trip in trips)
    charges = sum(desk.charges.get(row_id, 0) for row_id, _ in trips)
    won = sum(1 for _, trip in trips if trip.gross_paise > 0)
    orders = sum(trip.order_count for _, trip in trips)
    lines.append(f"{len(trips)} round trips from {orders} orders, {won} with a gross gain")
    lines.append(
        f"gross {_signed(gross)}   charges (estimated) {rupees_text(charges, grouped=True)}"
        f"   leg costs {rupees_text(costs, grouped=True)}   net {_signed(gross - costs - charges)}"
    )
    return "\n".join(lines)


def measured(desk: Desk) -> str:
    """Every figure of the requirements that this build has, against its target (OPS-28)."""
    return "\n".join(text_of(row).rstrip() for row in table_lines(desk.metrics.views(), counts_of(desk)))


def _row(trip: RoundTrip, charges_paise: int) -> str:
    entry = rupees_text(divide_half_up(trip.entry_value_paise, trip.qty))
    leave = rupees_text(divide_half_up(trip.exit_value_paise, trip.qty))
    slip = rupees_text(trip.slippage_paise, signed=True) if trip.level_paise else "-"
    net = trip.net_paise - charges_paise
    surplus = " (surplus)" if trip.kind == "surplus" else ""
    return (
        f"{clock_text(trip.closed_ns)}  {trip.symbol:24} {trip.qty:>5} {entry:>9} {leave:>9} {slip:>6}"
        f" {_signed(trip.gross_paise):>11} {rupees_text(charges_paise):>9} {_signed(net):>11}  {trip.reason}{surplus}"
    )


def _signed(paise: int) -> str:
    return rupees_text(paise, signed=True, grouped=True)
