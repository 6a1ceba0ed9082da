"""What the rehearsal venue says, in XTS's own fields and number forms (facts/xts.md §4, §5, §8, §9). Pure."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from brokers.xts import times
from brokers.xts.segments import NUMBERS, SEGMENT_OF
from engine.instrument import Instrument, OptionType, Segment
from engine.order import OrderState, OrderType, Side, Trade
from engine.port import OrderReport, PositionReport
from engine.tick import Tick

_ID_SPAN: Final = 900_000
_KNOWN_IDS: Final = {"NIFTY": 26000, "BANKNIFTY": 26001, "RELIANCE": 2885, "SBIN": 3045, "IRFC": 2029}
"""Real ids, which outside clients have in their own masters."""
_INDEX_NAMES: Final = {"NIFTY": "NIFTY 50", "BANKNIFTY": "NIFTY BANK"}
_TYPES: Final = {
    OrderType.LIMIT: "Limit",
    OrderType.MARKET: "Market",
    OrderType.SL: "StopLimit",
    OrderType.SL_M: "StopMarket",
}
_AFTER_TRIGGER: Final = {OrderType.SL: "Limit", OrderType.SL_M: "Market"}
_WORDS: Final = {
    OrderState.WORKING: "New",
    OrderState.TRIGGER_PENDING: "New",
    OrderState.PART_FILLED: "PartiallyFilled",
    OrderState.FILLED: "Filled",
    OrderState.CANCELLED: "Cancelled",
    OrderState.REJECTED: "Rejected",
    OrderState.EXPIRED: "Expired",
}
_NEVER: Final = "1980-01-01T00:00:00"
_MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


class Listed(msgspec.Struct, frozen=True):
    """One contract of the venue."""

    segment: str
    number: int
    instrument: Instrument

    @property
    def key(self) -> tuple[int, int]:
        return NUMBERS[self.segment], self.number

    @property
    def named(self) -> dict[str, int]:
        """As market data names it."""
        return {"exchangeSegment": NUMBERS[self.segment], "exchangeInstrumentID": self.number}

    @property
    def trading_symbol(self) -> str:
        """`NIFTY 30JAN2025 PE 23250`."""
        row = self.instrument
        if row.expiry is None or row.option_type is None:
            return row.symbol
        day = f"{row.expiry.day:02d}{_MONTHS[row.expiry.month - 1]}{row.expiry.year}"
        return f"{row.underlying} {day} {row.option_type.value} {rupees(row.strike_paise):g}"


def listed(instruments: Iterable[Instrument]) -> list[Listed]:
    """Ids from the symbols alone, so that they are the same after a restart; one that is taken moves on by one."""
    rows: list[Listed] = []
    taken: set[tuple[str, int]] = set()
    for instrument in instruments:
        segment = SEGMENT_OF[instrument.exchange]
        symbol = instrument.symbol
        number = _KNOWN_IDS.get(symbol) or 30_000 + zlib.crc32(symbol.encode()) % _ID_SPAN
        while (segment, number) in taken:
            number += 1
        taken.add((segment, number))
        rows.append(Listed(segment, number, instrument))
    return rows


# --- orders, trades, positions ----------------------------------------------------------------------------------------


def order_row(report: OrderReport, contract: Listed, app_id: int, user: str, identifier: str) -> dict[str, Any]:
    """One row of the order book; the state is told as this server tells it."""
    status = _WORDS.get(report.state, "PendingNew")
    is_triggered = report.state in (OrderState.WORKING, OrderState.PART_FILLED) and report.type in _AFTER_TRIGGER
    leaves = 0 if report.state is OrderState.EXPIRED else report.qty - report.filled_qty
    kind = _AFTER_TRIGGER[report.type] if is_triggered else _TYPES[report.type]
    return {
        **_head(contract, app_id, user, report.side, report.product, report.at_ns),
        "OrderType": kind,
        "OrderPrice": rupees(report.limit_paise),
        "OrderQuantity": report.qty,
        "OrderStopPrice": rupees(report.trigger_paise),
        "OrderStatus": status,
        **_averages(report.average_paise),
        "LeavesQuantity": leaves,
        "CumulativeQuantity": report.filled_qty,
        "OrderExpiryDate": _NEVER,
        "CancelRejectReason": report.reject_text,
        "OrderUniqueIdentifier": identifier,
        "BoLegDetails": 0,
        "BoEntryOrderId": "",
        "OrderExpiryDateAPI": "01-01-1980 00:00:00",
        "AlgoID": "",
        "AlgoCategory": 0,
        "MessageCode": 9004,
    }


def pending_row(row: dict[str, Any]) -> dict[str, Any]:
    """The same order as it was when it had only been queued."""
    new = {"OrderStatus": "PendingNew", "CumulativeQuantity": 0, "LeavesQuantity": row["OrderQuantity"]}
    return {**row, **new, **_averages(0), "CancelRejectReason": "", "ExchangeOrderID": ""}


def as_event(row: dict[str, Any], sequence: int) -> dict[str, Any]:
    """A pushed order: its average stands only in the numeric twin (facts §0.7)."""
    return {**row, "OrderAverageTradedPrice": "", "SequenceNumber": sequence}


def trade_row(
    trade: Trade, order: OrderReport | None, contract: Listed, app_id: int, user: str, identifier: str
) -> dict[str, Any]:
    """`order` gives what a trade alone does not know; without it the trade stands for its order."""
    qty = order.qty if order is not None else trade.qty
    filled = order.filled_qty if order is not None else trade.qty
    return {
        **_head(contract, app_id, user, trade.side, order.product if order is not None else "MIS", trade.at_ns),
        "OrderType": _TYPES[order.type] if order is not None else "Limit",
        "OrderPrice": rupees(order.limit_paise) if order is not None else 0,
        "OrderQuantity": qty,
        "OrderStopPrice": rupees(order.trigger_paise) if order is not None else 0,
        "OrderStatus": "Filled" if filled >= qty else "PartiallyFilled",
        **_averages(order.average_paise if order is not None and order.average_paise else trade.price_paise),
        "LeavesQuantity": max(qty - filled, 0),
        "CumulativeQuantity": filled,
        "CancelRejectReason": "",
        "OrderUniqueIdentifier": identifier,
        "LastTradedPrice": rupees(trade.price_paise),
        "LastTradedQuantity": trade.qty,
        "LastExecutionTransactTime": times.iso_text(trade.at_ns)[:19],
        "LastExecutionTransactTimeAPI": times.day_first_text(trade.at_ns),
        "OrderExpiryDateAPI": "01-01-1980 00:00:00",
        "ExecutionID": "".join(c for c in trade.trade_id if c.isdecimal()) or trade.trade_id,
        "ExecutionReportIndex": 4,
        "MessageCode": 9005,
    }


def position_row(report: PositionReport, contract: Listed, user: str) -> dict[str, Any]:
    """Of the book: numbers beside texts with commas, as they were seen."""
    net, average = report.net_qty, report.average_paise
    bought, sold = max(net, 0), max(-net, 0)
    return {
        "AccountID": user,
        "TradingSymbol": contract.trading_symbol,
        "ExchangeSegment": contract.segment,
        "ExchangeInstrumentId": contract.number,
        "ProductType": report.product,
        "Marketlot": str(contract.instrument.lot_size),
        "Multiplier": "1",
        "BuyAveragePrice": money(average if net > 0 else 0),
        "SellAveragePrice": money(average if net < 0 else 0),
        "OpenBuyQuantity": bought,
        "OpenSellQuantity": sold,
        "Quantity": net,
        "BuyAmount": money(bought * average),
        "SellAmount": money(sold * average),
        "NetAmount": money((sold - bought) * average),
        "UnrealizedMTM": "0.00",
        "RealizedMTM": "0.00",
        "MTM": "0.00",
        "BEP": "0.00",
        "MessageCode": "9002",
        "SequenceNumber": "0",
    }


def position_event(report: PositionReport, contract: Listed, user: str, wise: str) -> dict[str, Any]:
    """Of the stream: all values are texts, under other names; `wise` is NetWise or DayWise."""
    row = position_row(report, contract, user)
    kept = {name: row[name] for name in ("AccountID", "TradingSymbol", "ExchangeSegment", "ProductType", "Marketlot")}
    return {
        "LoginID": user,
        **kept,
        "ExchangeInstrumentID": str(contract.number),
        "BuyAveragePrice": row["BuyAveragePrice"],
        "SellAveragePrice": row["SellAveragePrice"],
        "LongPosition": str(row["OpenBuyQuantity"]),
        "ShortPosition": str(row["OpenSellQuantity"]),
        "NetPosition": str(report.net_qty),
        "IsDayWiseNetWise": wise,
        "MessageCode": 9002,
        "SequenceNumber": 0,
    }


def balance(user: str, cash_paise: int) -> dict[str, Any]:
    """Another segment comes first, and what is not a number is `NaN`."""
    none = {"cashAvailable": "0", "collateral": 0, "marginUtilized": "0", "netMarginAvailable": "0"}
    cash = f"{cash_paise / 100:g}" if cash_paise % 100 else str(cash_paise // 100)
    whole = {**none, "cashAvailable": cash, "netMarginAvailable": cash, "MTM": "0", "UnrealizedMTM": "NaN"}
    return {
        "BalanceList": [
            {"limitHeader": "COMMODITIES|MCX|ALL", "limitObject": {"RMSSubLimits": none, "AccountID": user}},
            {"limitHeader": "ALL|ALL|ALL", "limitObject": {"RMSSubLimits": whole, "AccountID": user}},
        ]
    }


def _head(contract: Listed, app_id: int, user: str, side: Side, product: str, at_ns: int) -> dict[str, Any]:
    iso, day_first = times.iso_text(at_ns), times.day_first_text(at_ns)
    return {
        "LoginID": user,
        "ClientID": user,
        "AppOrderID": app_id,
        "OrderReferenceID": "",
        "GeneratedBy": "TWSAPI",
        "ExchangeOrderID": f"13{app_id:014d}",
        "OrderCategoryType": "NORMAL",
        "ExchangeSegment": contract.segment,
        "ExchangeInstrumentID": contract.number,
        "OrderSide": side.value.capitalize(),
        "ProductType": product,
        "TimeInForce": "DAY",
        "OrderDisclosedQuantity": 0,
        "OrderGeneratedDateTime": iso,
        "ExchangeTransactTime": f"{iso[:19]}+05:30",
        "LastUpdateDateTime": iso,
        "OrderLegStatus": "SingleOrderLeg",
        "IsSpread": False,
        "OrderSideAPI": side.value,
        "OrderGeneratedDateTimeAPI": day_first,
        "ExchangeTransactTimeAPI": day_first,
        "LastUpdateDateTimeAPI": day_first,
        "MessageSynchronizeUniqueKey": user,
        "MessageVersion": 4,
        "TokenID": 0,
        "ApplicationType": 146,
        "SequenceNumber": 0,
        "TradingSymbol": contract.trading_symbol,
    }


def _averages(paise: int) -> dict[str, Any]:
    if not paise:
        return {"OrderAverageTradedPrice": "", "OrderAverageTradedPriceAPI": "NaN"}
    return {"OrderAverageTradedPrice": money(paise), "OrderAverageTradedPriceAPI": rupees(paise)}


# --- market data ------------------------------------------------------------------------------------------------------


def quote_frame(tick: Tick, contract: Listed, code: int, *, flat: bool = False, sequence: int = 0) -> dict[str, Any]:
    """One frame of a code; `flat` is the snapshot's shape, which has no sequence."""
    at = times.to_1980(tick.at_ns)
    where = {"ExchangeSegment": NUMBERS[contract.segment], "ExchangeInstrumentID": contract.number}
    if code == 1510:
        return {"MessageCode": code, "MessageVersion": 0, **where, "ExchangeTimeStamp": 0, "OpenInterest": 0}
    last = {"LastTradedPrice": rupees(tick.ltp_paise), "LastTradedQunatity": 0}
    if code == 1512:
        tail = {"LastUpdateTime": at, "PercentChange": 0, "Close": rupees(tick.ltp_paise), "XMarketType": 1}
        return {"MessageCode": code, **where, **last, **tail, "BookType": 1}
    bid = _side(tick.bid_paise, tick.bid_qty)
    ask = _side(tick.ask_paise, tick.ask_qty)
    touch: dict[str, Any] = {
        "BidInfo": bid,
        "AskInfo": ask,
        **last,
        "TotalBuyQuantity": tick.bid_qty,
        "TotalSellQuantity": tick.ask_qty,
        "TotalTradedQuantity": 0,
        "AverageTradedPrice": rupees(tick.ltp_paise),
        "LastTradedTime": at,
        "LastUpdateTime": at,
        "PercentChange": 0,
        "TotalValueTraded": None,
    }
    ending = {"BookType": 1, "XMarketType": 1}
    if flat and code != 1502:
        return {"MessageCode": code, **where, **touch, **ending}
    frame: dict[str, Any] = {"MessageCode": code, "MessageVersion": 4, "ApplicationType": 0, "TokenID": 0, **where}
    frame |= {"ExchangeTimeStamp": at}
    if code == 1502:
        none = _side(0, 0)
        frame |= {"Bids": [bid, none, none, none, none], "Asks": [ask, none, none, none, none]}
    return {**frame, "Touchline": touch, **ending, "SequenceNumber": sequence}


def master_text(rows: Iterable[Listed], segments: Iterable[str]) -> str:
    """Lines of the asked segments; index values are in their own list."""
    wanted = set(segments)
    lines = [_master_line(row) for row in rows if row.segment in wanted and row.instrument.segment is not Segment.INDEX]
    return "\n".join(lines)


def index_list(rows: Iterable[Listed], number: int) -> list[str]:
    """`NIFTY 50_26000`."""
    return [
        f"{_INDEX_NAMES.get(row.instrument.symbol, row.instrument.symbol)}_{row.number}"
        for row in rows
        if row.instrument.segment is Segment.INDEX and NUMBERS[row.segment] == number
    ]


def _master_line(row: Listed) -> str:
    contract = row.instrument
    freeze = contract.freeze_qty + 1 if contract.freeze_qty and row.segment.startswith("NSE") else contract.freeze_qty
    kind, series = _KINDS[contract.segment]
    if row.segment == "BSEFO":
        series = "IO"
    name = contract.underlying or contract.symbol
    base = [
        *(row.segment, str(row.number), kind, name, contract.symbol, series, f"{name}-{series}"),
        *(str(1100100000000 + row.number), "1000000", "0.05", str(freeze), f"{contract.tick_paise / 100:g}"),
        *(str(contract.lot_size), "1"),
    ]
    if contract.expiry is None:
        return "|".join([*base, contract.symbol, "", "1", "1", contract.symbol, "0", "-1", "-1"])
    expiry = f"{contract.expiry.isoformat()}T{'00:00:00' if row.segment == 'BSEFO' else '14:30:00'}"
    tail = [row.trading_symbol, "1", "1", contract.symbol]
    if contract.option_type is None:
        return "|".join([*base, "-1", name, expiry, *tail])
    option_type = "3" if contract.option_type is OptionType.CE else "4"
    return "|".join([*base, "-1", name, expiry, f"{contract.strike_paise / 100:g}", option_type, *tail])


_KINDS: Final = {
    Segment.INDEX_OPTION: ("2", "OPTIDX"),
    Segment.STOCK_OPTION: ("2", "OPTSTK"),
    Segment.FUTURE: ("1", "FUTSTK"),
    Segment.EQUITY: ("8", "EQ"),
    Segment.INDEX: ("8", "EQ"),
}


def _side(paise: int, qty: int) -> dict[str, Any]:
    return {"Size": qty, "Price": rupees(paise), "TotalOrders": 1 if qty else 0, "BuyBackMarketMaker": 0}


def rupees(paise: int) -> float | int:
    """For the wire: whole rupees without a point, as the server writes them."""
    return paise // 100 if paise % 100 == 0 else paise / 100


def money(paise: int) -> str:
    """`2,853.50`."""
    return f"{paise / 100:,.2f}"
