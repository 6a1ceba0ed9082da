"""Draws a grid for the screen: `GridView` from the bot's levels, groups and brackets. Pure; nothing is decided here."""

from __future__ import annotations

from engine.bracket import Bracket
from engine.grid.bot import GridBot
from engine.grid.hedge import HedgeGroup, hedge_side
from engine.grid.level import Level
from engine.grid.termination import imbalance_qty
from engine.grid.terms import TradeSide
from engine.grid.view import GridHedgeView, GridLevelView, GridView, HedgeWord, LevelWord, TokenView
from engine.money import divide_half_up
from engine.order import Order, Role
from engine.price_book import PriceBook


def grid_view(bot: GridBot, now_ns: int, *, entries: str, charges_paise: int) -> GridView:
    """The whole grid. `entries` says whether it enters, in words; `charges_paise` are the day's estimate."""
    body, terms = bot.body, bot.terms
    upside, downside = TradeSide.UPSIDE, TradeSide.DOWNSIDE
    overdue = bot.overdue(now_ns)
    return GridView(
        bot=bot.name,
        trade_type=terms.trade_type,
        kind=terms.kind,
        accounts=terms.accounts,
        token_a=_token(bot, bot.price_a),
        token_b=_token(bot, bot.price_b) if bot.price_b is not None else None,
        centre_paise=body.centre_paise,
        status=body.status,
        entries=entries,
        realised_paise=body.day_net_paise,
        open_paise=sum(open_paise(bracket) for bracket in bot.open_brackets()),
        charges_paise=charges_paise,
        cycles=body.cycles,
        upside_net_qty=bot.net_qty(upside),
        downside_net_qty=bot.net_qty(downside),
        upside_oco_count=body.upside_oco,
        downside_oco_count=body.downside_oco,
        used_qty=max(bot.used_qty(upside), bot.used_qty(downside)),
        max_qty=terms.max_quantity,
        max_reached=body.max_reached,
        imbalance=imbalance_qty(terms, *bot.judged_oco) if terms.is_hedged else 0,
        imbalance_limit=terms.steps if terms.is_hedged else 0,
        overdue=max(overdue.values(), default=0),
        overdue_limit=terms.oco_stop_count if terms.is_hedged else 0,
        levels=tuple(_level(bot, level, now_ns) for level in body.levels),
        hedges=tuple(_hedges(bot, now_ns)),
        note=_note(bot),
    )


def _note(bot: GridBot) -> str:
    if not bot.body.levels:
        return f"waits for the first price of {bot.terms.token_a}"
    return ""


def _token(bot: GridBot, price: PriceBook) -> TokenView:
    mine = [bracket for bracket in bot.open_brackets() if bracket.price is price and bracket.open_qty]
    net = sum(bracket.net_qty for bracket in mine)
    held = sum(bracket.open_qty for bracket in mine)
    value = sum(bracket.open_qty * bracket.body.entry_paise for bracket in mine)
    ltp = price.tick.ltp_paise
    return TokenView(
        symbol=price.instrument.symbol,
        ltp_paise=ltp,
        ltp_move=(ltp > price.previous_paise) - (ltp < price.previous_paise) if price.previous_paise else 0,
        tick_ns=price.at_ns,
        net_qty=net,
        average_paise=divide_half_up(value, held) if held else 0,
    )


def open_paise(bracket: Bracket) -> int:
    """Unrealised, at the newest price; 0 without one."""
    ltp = bracket.tick.ltp_paise
    return bracket.net_qty * (ltp - bracket.body.entry_paise) if ltp and bracket.body.entry_paise else 0


def _level(bot: GridBot, level: Level, now_ns: int) -> GridLevelView:
    bracket, group = bot.cycle_of(level), _group_of(bot, level)
    hedge = bot.bracket_of(group) if group is not None else None
    works = bracket.live(Role.TARGET) if bracket is not None and level.is_filled else []
    works = works or (bracket.live(Role.ENTRY) if bracket is not None else [])
    held = level.hedged_qty - level.trimmed_qty
    direction = hedge_side(level.side, bot.terms.hedge_sign)
    is_open = level.is_filled or level.state is LevelWord.OCO_FILLED
    unrealised = open_paise(bracket) if bracket is not None else 0
    if hedge is not None and held and hedge.body.entry_paise and hedge.tick.ltp_paise:
        unrealised += direction.sign * held * (hedge.tick.ltp_paise - hedge.body.entry_paise)
    return GridLevelView(
        level_id=level.uuid,
        index=level.index,
        side=level.side,
        price_paise=level.entry_paise,
        target_paise=level.target_paise,
        state=level.state,
        wanted_qty=bracket.open_qty if bracket is not None and level.is_filled else level.qty,
        working_qty=sum(order.sure_qty for order in works),
        filled_qty=bracket.entered_qty if bracket is not None and is_open else 0,
        open_qty=bracket.net_qty if bracket is not None else 0,
        hedge_open_qty=direction.sign * held,
        open_paise=unrealised,
        order_tag=works[-1].tag if works else "",
        bracket_id=level.cycle,
        hedge_bracket_id=level.group,
        hedge_state=_hedge_word(bot, level, group, hedge, now_ns),
        hedge_trigger_paise=level.hedge_paise,
        hedge_covered_qty=bot.covered_b(level) if level.is_filled else held,
        hedge_needed_qty=max(bot.hedge_need(level), held) if bot.terms.is_hedged else 0,
        cycles=level.cycles,
        note=level.note,
    )


def _group_of(bot: GridBot, level: Level) -> HedgeGroup | None:
    return next((group for group in bot.body.groups if level.group and group.bracket_id == level.group), None)


def _hedge_word(bot: GridBot, level: Level, group: HedgeGroup | None, hedge: Bracket | None, now_ns: int) -> HedgeWord:
    if level.state is LevelWord.OCO_FILLED:
        return HedgeWord.FILLED
    if not bot.terms.is_hedged or not level.is_filled:
        return HedgeWord.NONE
    if not level.hedge_paise or bot.is_refused(level):
        return HedgeWord.UNHEDGED
    if group is not None and hedge is not None and group.missing_of(level.uuid):
        return _group_word(hedge)
    if level.due_ns:
        return HedgeWord.DUE
    return HedgeWord.HELD_BACK if bot.is_fresh_b(now_ns) else HedgeWord.UNHEDGED


def _group_word(hedge: Bracket) -> HedgeWord:
    if hedge.body.entry_due_ns:
        return HedgeWord.EXECUTING if hedge.live_entries() else HedgeWord.DUE
    return HedgeWord.RESTING if any(order.is_at_broker for order in hedge.live_entries()) else HedgeWord.HELD_BACK


def _hedges(bot: GridBot, now_ns: int) -> list[GridHedgeView]:
    """The orders first, then what waits together in each direction."""
    rows: list[GridHedgeView] = []
    waiting: dict[TradeSide, list[Level]] = {side: [] for side in TradeSide}
    for level in bot.body.levels:
        word = _hedge_word(bot, level, _group_of(bot, level), None, now_ns)
        is_shared = any(group.missing_of(level.uuid) for group in bot.body.groups)
        if level.is_filled and word in (HedgeWord.HELD_BACK, HedgeWord.DUE, HedgeWord.UNHEDGED) and not is_shared:
            waiting[level.trade_side].append(level)
    for group in bot.body.groups:
        bracket = bot.bracket_of(group)
        if bracket is not None and (group.missing_qty or bracket.open_qty):
            rows.append(_group_row(bot, group, bracket))
    for side, levels in waiting.items():
        if levels:
            rows.append(_waiting_row(bot, side, levels))
    return rows


def _group_row(bot: GridBot, group: HedgeGroup, bracket: Bracket) -> GridHedgeView:
    body, live = bracket.body, bracket.live_entries()
    newest: Order | None = live[-1] if live else None
    is_done = not group.missing_qty
    labels = [level.label for uuid in group.members if (level := bot.level(uuid)) is not None]
    sure = sum(order.sure_qty for order in live)
    return GridHedgeView(
        direction=group.side,
        trade_side=group.trade_side,
        account=body.account,
        state=HedgeWord.FILLED if is_done else _group_word(bracket),
        trigger_paise=body.level_paise,
        limit_paise=newest.limit_paise if newest is not None else 0,
        qty=bracket.open_qty if is_done else group.missing_qty,
        covered_qty=group.allotted_qty + sure,
        needed_qty=group.wanted_qty,
        levels=" ".join(labels),
        order_tag=newest.tag if newest is not None else "",
        since_ns=newest.state_ns if newest is not None else body.first_fill_ns,
        is_resting=newest is not None and newest.is_at_broker,
    )


def _waiting_row(bot: GridBot, side: TradeSide, levels: list[Level]) -> GridHedgeView:
    priced = [level.hedge_paise for level in levels if level.hedge_paise]
    needed = sum(bot.hedge_need(level) for level in levels)
    unpriced = len(priced) < len(levels)
    direction = hedge_side(side.entry_side, bot.terms.hedge_sign)
    return GridHedgeView(
        direction=direction,
        trade_side=side,
        account=bot.terms.accounts.hedge(side),
        state=HedgeWord.UNHEDGED if unpriced else HedgeWord.HELD_BACK,
        trigger_paise=(min if direction.sign > 0 else max)(priced, default=0),
        qty=needed,
        covered_qty=0 if unpriced else needed,
        needed_qty=needed,
        levels=" ".join(level.label for level in levels),
    )
