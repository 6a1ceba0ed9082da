"""The update stream of a misbehaving broker: each pushed row or trade doubled, held, dropped, garbled or told again."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Final, TypeVar

from msgspec.structs import replace

from brokers.paper.faults.knob import Door, Effect
from brokers.paper.faults.plan import FaultPlan, Strike
from engine.instant import NS_PER_S
from engine.order import Trade
from engine.port import Clock, OrderReport
from engine.tags import role_of

Update = OrderReport | Trade
U = TypeVar("U", bound=Update)

_FLAP_NS: Final = 2 * NS_PER_S
_HISTORY_MAX: Final = 20_000
"""Updates told again by a replay; a day of one desk has a few thousand."""
_SILENT: Final = frozenset({Effect.DROP, Effect.DROP_BY_TURNS, Effect.LOST_REQUEST, Effect.REFUSE})


class FaultyUpdates:
    """Stands between the paper account's pushes and the desk's listener. Never raises to the account."""

    def __init__(self, clock: Clock, plan: FaultPlan) -> None:
        self._clock = clock
        self._plan = plan
        self._on_order: Callable[[OrderReport], None] | None = None
        self._on_trade: Callable[[Trade], None] | None = None
        self._history: list[Update] = []
        self._waiting: dict[str, list[Update]] = {}
        """Broker id -> what is kept back of an order until `let_go`."""
        self._last_ns = 0
        self._garbled = count()
        self.is_open = False

    def listen(self, on_order: Callable[[OrderReport], None], on_trade: Callable[[Trade], None]) -> None:
        self._on_order = on_order
        self._on_trade = on_trade

    def keep_back(self, broker_id: str) -> None:
        """Hold everything about one order until `let_go`."""
        self._waiting.setdefault(broker_id, [])

    def let_go(self, broker_id: str) -> None:
        for update in self._waiting.pop(broker_id, ()):
            self.tell(update)

    def hear(self, update: Update) -> None:
        """One push of the account, as the desk would see it from an honest broker."""
        waiting = self._waiting.get(update.broker_id)
        if waiting is not None:
            waiting.append(update)
            return
        now_ns = self._clock.now_ns()
        door = Door.TRADE_UPDATE if isinstance(update, Trade) else Door.ORDER_UPDATE
        what = f"{update.tag or update.broker_id} {_words(update)}"
        strike = self._plan.strike(
            door,
            now_ns,
            role=role_of(update.tag),
            symbol=update.symbol,
            what=what,
            can=lambda effect, _amount: _can(effect, update, now_ns),
        )
        if strike is None:
            self._tell_and_remember(update)
        else:
            self._struck(update, strike, now_ns)

    def tell(self, update: Update) -> None:
        """To the listener, while there is one."""
        if not self.is_open:
            return
        if isinstance(update, Trade):
            if self._on_trade is not None:
                self._on_trade(update)
        elif self._on_order is not None:
            self._on_order(update)

    def _tell_and_remember(self, update: Update) -> None:
        if len(self._history) < _HISTORY_MAX:
            self._history.append(update)
        self._last_ns = update.at_ns
        self.tell(update)

    def _struck(self, update: Update, strike: Strike, now_ns: int) -> None:
        match strike.effect:
            case effect if effect in _SILENT:
                return
            case Effect.HOLD:
                self._clock.call_at(now_ns + strike.delay_ns, lambda: self._tell_and_remember(update))
            case Effect.DOUBLE:
                self._tell_and_remember(update)
                self._clock.call_at(now_ns + strike.delay_ns, lambda: self.tell(update))
            case Effect.REPLAY_ALL:
                self._tell_and_remember(update)
                for earlier in list(self._history):
                    self.tell(earlier)
            case Effect.INVALID:
                self.tell(_garbled(update, next(self._garbled)))
                self._tell_and_remember(update)
            case Effect.SAME_INSTANT:
                self._tell_and_remember(replace(update, at_ns=self._last_ns or update.at_ns))
            case _:
                self._tell_and_remember(repainted(update, strike))


def repainted(row: U, strike: Strike) -> U:
    """A row with the tag or the average price that this broker gives it; any other fault leaves it as it is."""
    match strike.effect:
        case Effect.NO_TAG:
            return replace(row, tag="")
        case Effect.ONE_TAG:
            return replace(row, tag=strike.text)
        case Effect.OFF_AVERAGE if isinstance(row, OrderReport) and row.average_paise:
            return replace(row, average_paise=row.average_paise + strike.amount)
        case _:
            return row


def _can(effect: Effect, update: Update, now_ns: int) -> bool:
    match effect:
        case Effect.DROP_BY_TURNS:
            return now_ns // _FLAP_NS % 2 == 1
        case Effect.OFF_AVERAGE:
            return isinstance(update, OrderReport) and update.average_paise > 0
        case _:
            return True


def _garbled(update: U, number: int) -> U:
    """A record that cannot be right: too many units, negative units, no price. It names the same order and trade."""
    kind = number % 3
    if isinstance(update, Trade):
        if kind == 0:
            return replace(update, qty=update.qty * 1_000)
        return replace(update, qty=-update.qty) if kind == 1 else replace(update, price_paise=0)
    if kind == 0:
        return replace(update, filled_qty=update.qty * 1_000)
    return replace(update, filled_qty=-update.qty) if kind == 1 else replace(update, average_paise=-1)


def _words(update: Update) -> str:
    if isinstance(update, Trade):
        return f"traded {update.qty} at {update.price_paise}"
    return f"{update.state.value} {update.filled_qty}/{update.qty}"
