"""What a trade costs: STT, exchange charge, SEBI fee, stamp duty, GST and brokerage, exact and itemised (OPS-34).

Amounts are integer *nano-paise* (10^-9 paise). Every rate in use is a whole multiple of 10^-7 of the value and GST a
whole percent of that, so value x rate x GST is a whole number of nano-paise: sums are exact in any order and are
rounded once, for display. Contract notes round STT and stamp duty to the rupee per day, so a total is an estimate until
reconciled with the note (facts/market.md §6). Rates are dated rows in `engine/data/charges.toml`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Final, Literal

import msgspec

from engine.dated_rows import DataFileError, in_force, read_packaged, read_table
from engine.instrument import Segment
from engine.money import divide_half_up
from engine.order import Side

NPAISE_PER_PAISA: Final = 1_000_000_000
_PACKAGED: Final = "charges.toml"
# A rate is held as an integer count of 10^-7 of the value: 0.03553 % -> 3553. 10^-7 paise are 100 nano-paise.
_RATE_STEPS_PER_PCT: Final = 100_000
_NPAISE_PER_RATE_STEP: Final = 100


class ChargeSegment(StrEnum):
    OPTION = "option"
    FUTURE = "future"
    EQUITY_INTRADAY = "equity_intraday"
    EQUITY_DELIVERY = "equity_delivery"


class Charges(msgspec.Struct, frozen=True, kw_only=True):
    """Itemised charges in nano-paise; add them up freely."""

    stt_npaise: int = 0
    exchange_npaise: int = 0
    sebi_npaise: int = 0
    stamp_npaise: int = 0
    gst_npaise: int = 0
    brokerage_npaise: int = 0
    is_complete: bool = True
    """False: some part fell on a day without a rate row and is missing from the sums."""

    def __add__(self, other: Charges) -> Charges:
        return Charges(
            stt_npaise=self.stt_npaise + other.stt_npaise,
            exchange_npaise=self.exchange_npaise + other.exchange_npaise,
            sebi_npaise=self.sebi_npaise + other.sebi_npaise,
            stamp_npaise=self.stamp_npaise + other.stamp_npaise,
            gst_npaise=self.gst_npaise + other.gst_npaise,
            brokerage_npaise=self.brokerage_npaise + other.brokerage_npaise,
            is_complete=self.is_complete and other.is_complete,
        )

    @property
    def total_npaise(self) -> int:
        return (
            self.stt_npaise
            + self.exchange_npaise
            + self.sebi_npaise
            + self.stamp_npaise
            + self.gst_npaise
            + self.brokerage_npaise
        )

    @property
    def total_paise(self) -> int:
        """The sum to the nearest paisa, half-up."""
        return paise_of(self.total_npaise)


NO_CHARGES: Final = Charges()
_UNKNOWN: Final = Charges(is_complete=False)


def paise_of(npaise: int) -> int:
    """Nano-paise to the nearest paisa, half-up."""
    return divide_half_up(npaise, NPAISE_PER_PAISA)


def total_of(charges: Iterable[Charges]) -> Charges:
    """The sum of many."""
    total = NO_CHARGES
    for each in charges:
        total += each
    return total


def charge_segment(segment: Segment, product: str) -> ChargeSegment:
    """Which rates apply: equity under CNC is delivery, under any other product intraday.

    Raises ValueError for an index value, which is not traded.
    """
    match segment:
        case Segment.INDEX_OPTION | Segment.STOCK_OPTION:
            return ChargeSegment.OPTION
        case Segment.FUTURE:
            return ChargeSegment.FUTURE
        case Segment.EQUITY:
            return ChargeSegment.EQUITY_DELIVERY if product == "CNC" else ChargeSegment.EQUITY_INTRADAY
        case Segment.INDEX:
            raise ValueError("an index value is not traded: it has no charges")


class SttRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    effective_from: date
    segment: ChargeSegment
    buy_pct: str = "0"
    sell_pct: str
    exercise_pct: str = "0"


class ExchangeFeeRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    effective_from: date
    segment: ChargeSegment
    exchange: Literal["NSE", "BSE"]
    pct: str


class SebiRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    effective_from: date
    pct: str


class StampRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    effective_from: date
    segment: ChargeSegment
    buy_pct: str


class GstRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    effective_from: date
    pct: int


class ChargeTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file of rates."""

    stt: tuple[SttRow, ...] = ()
    exchange_fee: tuple[ExchangeFeeRow, ...] = ()
    sebi: tuple[SebiRow, ...] = ()
    stamp: tuple[StampRow, ...] = ()
    gst: tuple[GstRow, ...] = ()


def read_charge_tables(extra: Path | None = None) -> list[ChargeTable]:
    """The packaged rates and, when given, the user's own after them. Raises DataFileError naming file and key."""
    tables = [_checked(read_packaged(_PACKAGED, ChargeTable), _PACKAGED)]
    if extra is not None:
        tables.append(_checked(read_table(extra, ChargeTable), str(extra)))
    return tables


class _Rates(msgspec.Struct, frozen=True, kw_only=True):
    """The rates of one segment, exchange and day; in steps of 10^-7 of the value, GST in percent."""

    stt_buy: int
    stt_sell: int
    stt_exercise: int
    exchange: int
    sebi: int
    stamp_buy: int
    gst_pct: int


class ChargeBook:
    """Rates by date plus one broker's brokerage; answers what an order cost."""

    def __init__(
        self,
        tables: Sequence[ChargeTable],
        brokerage_paise_per_order: int = 2000,
        *,
        delivery_brokerage_paise_per_order: int = 0,
        brokerage_max_pct: str = "0.03",
    ) -> None:
        """Later tables replace rows of the same key and date.

        Brokerage is flat for options; for futures and intraday equity it is the smaller of the flat amount and
        `brokerage_max_pct` of the value ("0": always the flat amount), as discount brokers have it.
        """
        if brokerage_paise_per_order < 0 or delivery_brokerage_paise_per_order < 0:
            raise ValueError("brokerage per order must not be negative")
        self._tables = tuple(tables)
        self._flat_npaise = brokerage_paise_per_order * NPAISE_PER_PAISA
        self._delivery_npaise = delivery_brokerage_paise_per_order * NPAISE_PER_PAISA
        self._brokerage_max = _rate(brokerage_max_pct, "brokerage_max_pct")
        self._rates: dict[tuple[ChargeSegment, str, date], _Rates | None] = {}

    def for_order(self, segment: ChargeSegment, exchange: str, side: Side, value_paise: int, on: date) -> Charges:
        """All charges of one executed order whose fills sum up to `value_paise` (quantity x price) on day `on`.

        Brokerage is per order: ask again with the grown value after a partial fill instead of adding two answers.
        An order that filled nothing costs nothing. Exchange NFO counts as NSE, BFO as BSE.
        """
        return self.for_fill(segment, exchange, side, value_paise, on) + self._brokerage(
            segment, exchange, value_paise, on
        )

    def for_fill(self, segment: ChargeSegment, exchange: str, side: Side, value_paise: int, on: date) -> Charges:
        """Charges of one fill without brokerage: exactly proportional, so fills add up to their order."""
        rates = self._rates_on(segment, exchange, on)
        if rates is None:
            return _UNKNOWN
        is_buy = side is Side.BUY
        exchange_npaise = _share(value_paise, rates.exchange)
        sebi_npaise = _share(value_paise, rates.sebi)
        return Charges(
            stt_npaise=_share(value_paise, rates.stt_buy if is_buy else rates.stt_sell),
            exchange_npaise=exchange_npaise,
            sebi_npaise=sebi_npaise,
            stamp_npaise=_share(value_paise, rates.stamp_buy) if is_buy else 0,
            gst_npaise=_percent(exchange_npaise + sebi_npaise, rates.gst_pct),
        )

    def for_exercise(self, exchange: str, intrinsic_paise: int, on: date) -> Charges:
        """STT of a long option exercised in the money: on its intrinsic value (units x in-the-money amount)."""
        rates = self._rates_on(ChargeSegment.OPTION, exchange, on)
        return _UNKNOWN if rates is None else Charges(stt_npaise=_share(intrinsic_paise, rates.stt_exercise))

    def _brokerage(self, segment: ChargeSegment, exchange: str, value_paise: int, on: date) -> Charges:
        rates = self._rates_on(segment, exchange, on)
        if value_paise <= 0 or rates is None:
            return NO_CHARGES
        if segment is ChargeSegment.EQUITY_DELIVERY:
            npaise = self._delivery_npaise
        elif segment is ChargeSegment.OPTION or not self._brokerage_max:
            npaise = self._flat_npaise
        else:
            npaise = min(self._flat_npaise, _share(value_paise, self._brokerage_max))
        return Charges(brokerage_npaise=npaise, gst_npaise=_percent(npaise, rates.gst_pct))

    def _rates_on(self, segment: ChargeSegment, exchange: str, on: date) -> _Rates | None:
        key = (segment, _exchange_group(exchange), on)
        if key not in self._rates:
            self._rates[key] = self._look_up(*key)
        return self._rates[key]

    def _look_up(self, segment: ChargeSegment, exchange: str, on: date) -> _Rates | None:
        tables = self._tables
        stt = in_force([row for table in tables for row in table.stt if row.segment is segment], on)
        fee = in_force(
            [row for t in tables for row in t.exchange_fee if row.segment is segment and row.exchange == exchange], on
        )
        sebi = in_force([row for table in tables for row in table.sebi], on)
        stamp = in_force([row for table in tables for row in table.stamp if row.segment is segment], on)
        gst = in_force([row for table in tables for row in table.gst], on)
        if stt is None or fee is None or sebi is None or stamp is None or gst is None:
            return None
        return _Rates(
            stt_buy=_rate(stt.buy_pct, "buy_pct"),
            stt_sell=_rate(stt.sell_pct, "sell_pct"),
            stt_exercise=_rate(stt.exercise_pct, "exercise_pct"),
            exchange=_rate(fee.pct, "pct"),
            sebi=_rate(sebi.pct, "pct"),
            stamp_buy=_rate(stamp.buy_pct, "buy_pct"),
            gst_pct=gst.pct,
        )


def _exchange_group(exchange: str) -> str:
    return {"NFO": "NSE", "BFO": "BSE"}.get(exchange, exchange)


def _share(value_paise: int, rate_steps: int) -> int:
    return value_paise * rate_steps * _NPAISE_PER_RATE_STEP


def _percent(npaise: int, pct: int) -> int:
    # Exact: every amount GST is taken of is a multiple of 100 nano-paise, by the check on rates.
    return npaise * pct // 100


def _rate(pct: str, key: str) -> int:
    """Percent as decimal text to whole steps of 10^-7 of the value. Raises ValueError naming the key."""
    try:
        steps = Decimal(pct) * _RATE_STEPS_PER_PCT
        is_exact = 0 <= steps <= 100 * _RATE_STEPS_PER_PCT and steps == steps.to_integral_value()
    except ArithmeticError:  # not a number at all, NaN included
        raise ValueError(f"{key} {pct!r}: not a decimal number of percent") from None
    if not is_exact:
        raise ValueError(f"{key} {pct!r}: a percent from 0 to 100 with at most five decimals")
    return int(steps)


def _checked(table: ChargeTable, source: str) -> ChargeTable:
    """Every rate can be held exactly; else DataFileError naming the row."""
    rates = [
        *((f"stt[{n}].{key}", getattr(row, key)) for n, row in enumerate(table.stt) for key in _STT_KEYS),
        *((f"exchange_fee[{n}].pct", row.pct) for n, row in enumerate(table.exchange_fee)),
        *((f"sebi[{n}].pct", row.pct) for n, row in enumerate(table.sebi)),
        *((f"stamp[{n}].buy_pct", row.buy_pct) for n, row in enumerate(table.stamp)),
    ]
    for key, pct in rates:
        try:
            _rate(pct, key)
        except ValueError as error:
            raise DataFileError(f"{source}: {error}") from None
    for number, row in enumerate(table.gst):
        if not 0 <= row.pct <= 100:
            raise DataFileError(f"{source}: gst[{number}].pct {row.pct}: a whole percent from 0 to 100")
    return table


_STT_KEYS: Final = ("buy_pct", "sell_pct", "exercise_pct")
