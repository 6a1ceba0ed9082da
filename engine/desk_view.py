"""Builds the pictures that a screen shows. Reads the desk, never writes it; unchanged rows are the same objects."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import msgspec

from engine.alerts import AlertBook
from engine.bot import Bot
from engine.bracket import Bracket
from engine.desk_stop import stop_words
from engine.grid.bot import GridBot
from engine.grid.leaving import resting_words, unrested_hedges
from engine.grid.picture import grid_view, open_paise
from engine.grid.view import GridView
from engine.instant import NS_PER_S, ist_date, ns_from_s
from engine.leg import Leg
from engine.leg_view import PositionPictures, doubt_view, leg_title, with_position
from engine.operator import Request
from engine.order import Order, Role
from engine.port import OrderReport
from engine.price_book import PriceBook
from engine.tick import Tick
from engine.view import (
    AccountView,
    AlarmView,
    BracketState,
    BracketView,
    CountView,
    DeskView,
    DoubtView,
    HealthView,
    LadderRow,
    LegView,
    LogLine,
    MetricView,
    OrderView,
    ProtectionWord,
    StatusView,
    UpdateView,
)

if TYPE_CHECKING:
    from engine.desk import Desk
    from engine.desk_account import DeskAccount

_ORDERS_SHOWN = 200
_RATE_SPAN = 10
_Row = TypeVar("_Row", bound=msgspec.Struct)


class DeskConsole:
    """Implements `engine.console.Console` over a desk in the same loop."""

    def __init__(self, desk: Desk, alerts: AlertBook | None = None) -> None:
        self._desk = desk
        self._alerts = alerts or AlertBook()
        self._ticks = 0
        self._rows: dict[tuple[str, str], msgspec.Struct] = {}
        self._orders_shown: tuple[OrderView, ...] = ()
        self._orders_version = (-1, -1)
        self._moves: dict[str, tuple[int, int]] = {}
        self._tick_counts: deque[tuple[int, int]] = deque(maxlen=_RATE_SPAN)
        self._ended: dict[str, tuple[object, OrderView]] = {}
        """Rows of orders that have ended, by tag, with what they were made from: most of a day's rows."""
        self.lag_ms_p50 = 0.0
        self.lag_ms_p99 = 0.0
        self.lag_ms_worst = 0.0
        self.login_words: Callable[[int], str] = lambda _now_ns: ""

    def count_ticks(self) -> None:
        """Hear the market too, for the rate on the health panel; only wanted when there is a screen."""
        self._desk.parts.market.listen(self._count)

    # --- Console ------------------------------------------------------------------------------------------------

    def view(self) -> DeskView:
        desk = self._desk
        now_ns = desk.clock.now_ns()
        legs = self.legs(now_ns)
        brackets = tuple(self._bracket(bracket, now_ns) for bracket in desk.open_brackets())
        unread = [AlarmView(alarm_id=f"alert:{a.number}", since_ns=a.at_ns, text=a.text) for a in self._alerts.unread]
        alarms = tuple(sorted([*desk.alarms.values(), *unread], key=lambda alarm: -alarm.since_ns))
        return DeskView(
            version=desk.version,
            status=self._status(now_ns, legs),
            legs=legs,
            brackets=brackets,
            grids=tuple(self._grid(bot, now_ns) for bot in desk.bots.values() if isinstance(bot, GridBot)),
            orders=self._orders(),
            alarms=alarms,
            actions=desk.requests.views(now_ns),
            health=self._health(now_ns),
            log_seq=desk.log.seq,
        )

    def legs(self, now_ns: int) -> tuple[LegView, ...]:
        """The part of the view that says what is held and how it is protected."""
        return tuple(self._leg(bot, leg, now_ns) for bot in self._desk.bots.values() for leg in bot.legs.values())

    def _grid(self, bot: GridBot, now_ns: int) -> GridView:
        seat = self._desk.seats[bot.name]
        block = self._desk.entry_block(now_ns, bot.name)
        entries = "ON" if not block else "PAUSED" if block == "paused" else f"BLOCKED: {block}"
        view = grid_view(bot, now_ns, entries=entries, charges_paise=sum(seat.charges.values()))
        rows = tuple(self._same("level", f"{bot.name}/{level.label}", level) for level in view.levels)
        return self._same("grid", bot.name, msgspec.structs.replace(view, levels=rows))

    def log_since(self, seq: int) -> Sequence[LogLine]:
        return self._desk.log.lines_since(seq)

    def ladder(self, symbol: str, rungs: int, bot: str = "") -> Sequence[LadderRow]:
        bots = [self._desk.bots[bot]] if bot in self._desk.bots else self._desk.bots.values()
        leg = next((bot.legs[symbol] for bot in bots if symbol in bot.legs), None)
        if leg is None or leg.price.tick.ltp_paise <= 0:
            return ()
        return _ladder_rows(leg, rungs)

    def order_updates(self) -> Sequence[UpdateView]:
        accounts = self._desk.accounts.values()
        heard = [(at_ns, report, account) for account in accounts for at_ns, report in account.reader.updates]
        heard.sort(key=lambda row: row[0])
        return [self._update(at_ns, report, account) for at_ns, report, account in reversed(heard)]

    def metrics(self) -> Sequence[MetricView]:
        return self._desk.metrics.views()

    def counts(self) -> Sequence[CountView]:
        return counts_of(self._desk)

    def submit(self, request: Request) -> None:
        self._desk.submit(request)

    def why_not(self, request: Request) -> str:
        return self._desk.requests.why_not(request, self._desk.clock.now_ns())

    def describe(self, request: Request) -> str:
        return self._desk.requests.describe(request)

    # --- rows ---------------------------------------------------------------------------------------------------

    def _same(self, kind: str, key: str, row: _Row) -> _Row:
        """The object shown before when nothing in it changed, so that "changed" is an identity test."""
        known = self._rows.get((kind, key))
        if known == row:
            return known  # type: ignore[return-value]
        self._rows[kind, key] = row
        return row

    def _leg(self, bot: Bot, leg: Leg, now_ns: int) -> LegView:
        tick, instrument = leg.price.tick, leg.instrument
        view = LegView(
            symbol=leg.symbol,
            name=instrument.short_name,
            option_type=instrument.option_type.value if instrument.option_type else "",
            title=leg_title(leg),
            bot=bot.name,
            style=bot.style,
            state=BracketState.FLAT,
            protection=ProtectionWord.FLAT,
            lot_size=instrument.lot_size,
            ltp_paise=tick.ltp_paise,
            ltp_move=self._move(leg.price),
            tick_ns=leg.price.at_ns,
            bid_paise=tick.bid_paise,
            bid_qty=tick.bid_qty,
            ask_paise=tick.ask_paise,
            ask_qty=tick.ask_qty,
            tick_paise=instrument.tick_paise,
            realised_paise=leg.realised_paise,
            trail="off",
            note=leg.note,
            unexpected_qty=sum(
                account.reader.reconciler.unexpected_qty(leg.symbol, bot.product)
                for account in self._desk.accounts_of(bot.name)
            ),
        )
        if leg.bracket is not None and leg.is_active:
            view = with_position(view, self._pictures(leg.bracket), leg.bracket, now_ns)
        return self._same("leg", view.key, view)

    def _bracket(self, bracket: Bracket, now_ns: int) -> BracketView:
        body, pictures = bracket.body, self._pictures(bracket)
        alarm = next((a.text for a in self._desk.alarms.values() if a.alarm_id.endswith(body.bracket_id)), "")
        view = BracketView(
            bracket_id=body.bracket_id,
            name=bracket.instrument.short_name,
            bot=body.bot,
            style=body.style,
            state=body.state,
            open_qty=bracket.net_qty,
            covered_qty=bracket.covered_qty,
            working_exit_qty=bracket.working_exit_qty,
            stop=pictures.stop(),
            target=pictures.target(),
            trail=pictures.trail(pictures.rules(now_ns)),
            alarm=alarm,
            word=pictures.word(now_ns),
        )
        return self._same("bracket", body.bracket_id, view)

    def _pictures(self, bracket: Bracket) -> PositionPictures:
        port = self._desk.accounts[bracket.body.account].port
        return PositionPictures(bracket, self._desk.doubts, ns_from_s(port.ambiguity_s))

    def _orders(self) -> tuple[OrderView, ...]:
        """Orders change only in steps, and a step that changes one has another version; so has one more look."""
        version = (self._desk.version, self._desk.doubts.version)
        if self._orders_version != version:
            self._orders_version = version
            self._orders_shown = self._order_rows()
        return self._orders_shown

    def _order_rows(self) -> tuple[OrderView, ...]:
        orders = list(self._desk.blotter.orders.values())
        newest = orders[-_ORDERS_SHOWN:]
        shown = [order for order in orders[:-_ORDERS_SHOWN] if order.is_live] + newest
        return tuple(self._order(order) for order in reversed(shown))

    def _order(self, order: Order) -> OrderView:
        if order.is_live:
            return self._order_row(order)
        told = (order.fingerprint(), order.average_paise, order.reason, self._desk.doubts.version)
        known = self._ended.get(order.tag)
        if known is None or known[0] != told:
            known = self._ended[order.tag] = (told, self._order_row(order))
        return known[1]

    def _order_row(self, order: Order) -> OrderView:
        book = self._desk.prices.get(order.symbol)
        view = OrderView(
            tag=order.tag,
            broker_id=order.broker_id,
            symbol=order.symbol,
            name=book.instrument.short_name if book else order.symbol,
            role=order.role,
            side=order.side,
            type=order.type,
            limit_paise=order.limit_paise,
            trigger_paise=order.trigger_paise,
            qty=order.qty,
            filled_qty=order.filled_qty,
            average_paise=order.average_paise,
            state=order.state,
            pending=order.pending,
            state_ns=order.state_ns,
            why=order.reason,
            reject_text=order.reject_text or order.reject_code,
            bot=order.bot,
            bracket_id=order.bracket_id,
            doubt=self._doubt(order),
        )
        return self._same("order", order.tag, view)

    def _update(self, at_ns: int, report: OrderReport, account: DeskAccount) -> UpdateView:
        order = self._desk.blotter.find(account.account_id, report)
        book = self._desk.prices.get(report.symbol)
        return UpdateView(
            at_ns=at_ns,
            tag=order.tag if order is not None else report.tag,
            broker_id=report.broker_id,
            name=book.instrument.short_name if book else report.symbol,
            side=report.side,
            type=report.type,
            qty=report.qty,
            filled_qty=report.filled_qty,
            average_paise=report.average_paise,
            state=report.state,
            is_ours=order is not None,
            text=report.reject_text,
        )

    def _doubt(self, order: Order) -> DoubtView | None:
        bracket = self._desk.bracket(order.bracket_id)
        if bracket is not None:
            return self._pictures(bracket).doubt(order)
        known = self._desk.doubts.of(order.tag)
        return doubt_view(known) if known is not None else None

    # --- status and health ----------------------------------------------------------------------------------------

    def _status(self, now_ns: int, legs: Sequence[LegView]) -> StatusView:
        desk, labels = self._desk, self._desk.parts.labels
        index = desk.prices.get(labels.index_symbol)
        accounts = tuple(_account_view(account, now_ns) for account in desk.accounts.values())
        many = desk.accounts.values()
        return StatusView(
            mode=labels.mode,
            broker=labels.broker,
            account=desk.main.account_id,
            accounts=accounts,
            is_live=labels.is_live,
            now_ns=now_ns,
            index_name=labels.index_symbol,
            index_paise=index.tick.ltp_paise if index else 0,
            index_move=self._move(index) if index else 0,
            feed_ns=max((book.at_ns for book in desk.prices.values()), default=0),
            order_path_ms=max(account.path_ms for account in accounts),
            order_path_ns=min(account.path_ns for account in accounts),
            order_path_down="; ".join(a.words(a.gateway.path_error) for a in many if a.gateway.path_error),
            reconciled_ns=min(account.reconciled_ns for account in accounts),
            reconcile_diffs=sum(account.differences for account in accounts),
            realised_paise=sum(bot.body.day_net_paise for bot in desk.bots.values()),
            unrealised_paise=sum(leg.unrealised_paise for leg in legs) + self._grids_open_paise(),
            charges_paise=sum(desk.charges.values()),
            day_limit_paise=desk.risk.day_loss_paise,
            entries=self._entries(now_ns),
            square_off_ns=desk.square_off_at_ns(now_ns),
            session_text=desk.session_reason(now_ns) or f"{ist_date(now_ns):%a %d %b}",
            engine_down=desk.engine_error or "; ".join(a.words(a.fenced) for a in many if a.fenced),
            login=self.login_words(now_ns),
            recovered="; ".join(account.recovered for account in accounts if account.recovered),
        )

    def _grids_open_paise(self) -> int:
        bots = self._desk.bots.values()
        return sum(open_paise(bracket) for bot in bots if isinstance(bot, GridBot) for bracket in bot.open_brackets())

    def _entries(self, now_ns: int) -> str:
        blocks = {name: self._desk.entry_block(now_ns, name) for name in self._desk.bots}
        if all(blocks.values()):
            first = next(iter(blocks.values()))
            return "PAUSED" if first == "paused" else f"BLOCKED: {first}"
        except_for = "; ".join(f"{name}: {block}" for name, block in blocks.items() if block)
        return f"ON, except {except_for}" if except_for else "ON"

    def _health(self, now_ns: int) -> HealthView:
        desk = self._desk
        survives: list[str] = []
        dies: list[str] = []
        for bot in desk.bots.values():
            if isinstance(bot, GridBot):
                survives += resting_words(bot)
                dies += [f"hedge {words}" for words in unrested_hedges(bot)]
        for bracket in desk.open_brackets():
            if bracket.open_qty <= 0 or bracket.body.terms.covered_elsewhere:
                continue
            name = bracket.instrument.short_name
            for role, what in ((Role.STOP, "stop"), (Role.TARGET, "target")):
                resting = any(order.is_at_broker for order in bracket.live(role))
                (survives if resting else dies).append(f"{name} {what}")
            if bracket.exit_rules:
                dies.append(f"{name} trail")
        stats = desk.parts.writer.stats()
        naked = desk.exposure.figures(now_ns)
        return HealthView(
            ticks_per_s=self._ticks_per_s(now_ns),
            commit_ms=stats.last_ms,
            commit_ms_p99=stats.p99_ms,
            commit_ms_worst=stats.worst_ms,
            loop_lag_ms_p50=self.lag_ms_p50,
            loop_lag_ms_p99=self.lag_ms_p99,
            loop_lag_ms_worst=self.lag_ms_worst,
            orders_last_s=max(a.gateway.window.sent_within(now_ns) for a in desk.accounts.values()),
            orders_per_s=desk.parts.limits.orders_per_s,
            survives_us=tuple(survives),
            dies_with_us=tuple(dies),
            on_stop=stop_words(desk),
            naked_qty=naked.naked_qty,
            naked_since_ns=naked.since_ns,
            naked_count=naked.count,
            naked_p50_ns=naked.p50_ns,
            naked_p99_ns=naked.p99_ns,
            naked_worst_ns=naked.worst_ns,
        )

    def _ticks_per_s(self, now_ns: int) -> int:
        counts = self._tick_counts
        counts.append((now_ns, self._ticks))
        span_ns = now_ns - counts[0][0]
        return round((self._ticks - counts[0][1]) * NS_PER_S / span_ns) if span_ns > 0 else 0

    def _count(self, _tick: Tick) -> None:
        self._ticks += 1

    def _move(self, book: PriceBook) -> int:
        """Direction of the last change of price; kept until the next one."""
        ltp = book.tick.ltp_paise
        last, move = self._moves.get(book.instrument.symbol, (ltp, 0))
        if ltp != last:
            move = 1 if ltp > last else -1
        self._moves[book.instrument.symbol] = (ltp, move)
        return move


def counts_of(desk: Desk) -> Sequence[CountView]:
    """What was counted so far, the requests of all accounts together."""
    gateways = [account.gateway for account in desk.accounts.values()]
    return desk.metrics.counts(
        requests=sum(gateway.writes for gateway in gateways),
        throttled=sum(gateway.throttled for gateway in gateways),
    )


def _account_view(account: DeskAccount, now_ns: int) -> AccountView:
    gateway, reader = account.gateway, account.reader
    return AccountView(
        account=account.account_id,
        is_recovered=account.recovered,
        path_ms=gateway.answer_ms,
        path_ns=gateway.proven_ns,
        path_down=account.fenced or gateway.path_error,
        reconciled_ns=reader.reconciled_ns,
        differences=reader.differences,
        mismatch=account.mismatch,
        recovered=reader.recovery.headline(now_ns),
    )


def _ladder_rows(leg: Leg, rungs: int) -> list[LadderRow]:
    tick, step = leg.price.tick, leg.instrument.tick_paise
    marks: dict[int, list[str]] = {}
    mine: dict[int, list[str]] = {}

    def rung(paise: int) -> int:
        return paise // step * step

    marks.setdefault(rung(tick.ltp_paise), []).append("LTP")
    prices = [tick.ltp_paise, tick.bid_paise, tick.ask_paise]
    if leg.bracket is not None and leg.is_active:
        body = leg.bracket.body
        for word, paise in (("ENTRY", body.entry_paise), ("SL", body.stop_paise), ("TP", body.target_paise)):
            if paise:
                marks.setdefault(rung(paise), []).append(word)
        for order in leg.bracket.mine:
            if order.is_live:
                paise = order.trigger_paise or order.limit_paise
                text = f"{order.side.value[0]} {order.remaining_qty} {order.role.value}"
                mine.setdefault(rung(paise), []).append(text)
    centre = rung(next(paise for paise in prices if paise > 0))
    top = centre + rungs // 2 * step
    plain = [top - index * step for index in range(rungs)]
    # Own prices outside the window take the outermost rungs, so that a stop is never out of sight.
    above = sorted((p for p in {*marks, *mine} if p > plain[0]), reverse=True)
    below = sorted((p for p in {*marks, *mine} if p < plain[-1]), reverse=True)
    middle = plain[len(above) : len(plain) - len(below)]
    return [
        LadderRow(
            price_paise=price,
            bid_qty=tick.bid_qty if price == rung(tick.bid_paise) and tick.bid_paise else 0,
            ask_qty=tick.ask_qty if price == rung(tick.ask_paise) and tick.ask_paise else 0,
            mine=", ".join(mine.get(price, [])),
            marks=" ".join(marks.get(price, [])),
        )
        for price in [*above, *middle, *below]
    ]
