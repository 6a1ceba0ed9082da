"""What we hold by our own fills, per account, symbol and product: the figure that is held against the broker's (A3)."""

from __future__ import annotations

import msgspec

from engine.order import Side, Trade


class Position(msgspec.Struct, kw_only=True):
    """Running sums of one trading day; units and paise."""

    account: str
    symbol: str
    product: str
    net_qty: int = 0
    buy_qty: int = 0
    buy_value_paise: int = 0
    sell_qty: int = 0
    sell_value_paise: int = 0


class PositionBook:
    """Fed by trade records, each once."""

    def __init__(self) -> None:
        self.positions: dict[tuple[str, str, str], Position] = {}

    def of(self, account: str, symbol: str, product: str) -> Position:
        key = (account, symbol, product)
        if key not in self.positions:
            self.positions[key] = Position(account=account, symbol=symbol, product=product)
        return self.positions[key]

    def add(self, account: str, product: str, trade: Trade) -> Position:
        position = self.of(account, trade.symbol, product)
        value = trade.qty * trade.price_paise
        if trade.side is Side.BUY:
            position.buy_qty += trade.qty
            position.buy_value_paise += value
        else:
            position.sell_qty += trade.qty
            position.sell_value_paise += value
        position.net_qty += trade.side.sign * trade.qty
        return position

    def net(self, account: str, symbol: str, product: str) -> int:
        position = self.positions.get((account, symbol, product))
        return position.net_qty if position else 0

    def roll_day(self) -> None:
        """A new day starts with what is still held and nothing traded."""
        for position in self.positions.values():
            position.buy_qty = position.buy_value_paise = position.sell_qty = position.sell_value_paise = 0
