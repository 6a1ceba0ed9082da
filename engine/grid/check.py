"""What of a grid is wrong before anything is sent, each fault with its key of the configuration. Pure (GRD-62).

Two of our own orders in one account rest at the same time only while the market stands between them: a BUY at `p`
rests while the price is at or above `p`, a SELL at `q` while it is at or below `q`. They trade with each other when
`p >= q`. Both hold at once exactly where `p == q`: two orders that queue at one price. In a ladder these are the
targets of a BUY and of a SELL level (`2 x target_spread` a multiple of `spread`, so never when the target is the
smaller). The target of a deeper level may share a price with the entry of a nearer one on its side (`target_spread ==
spread`, the classical ladder): that entry is placed again only after its own target, which is further out, has traded.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import chain
from typing import Final, NamedTuple

import msgspec

from engine.grid.geometry import Rung, converges, ladder, level_count
from engine.grid.terms import GridKind, GridTerms, HedgeOrderType, TradeSide
from engine.instrument import Instrument, Segment
from engine.money import divide_half_up, rupees_text
from engine.order import Side

STEPS_MAX: Final = 500
GEOMETRIC_LEVELS_MAX: Final = 20
"""Distances double: at a base of 0.01 rupees level 20 already stands 10,485.75 away."""
_BPS: Final = 10_000


class GridFault(NamedTuple):
    """One key that cannot stay as it is, or (from `warnings`) that its owner should look at."""

    key: str
    """As in config.toml: `target_spread`, `accounts.upside_oco`."""
    value: str
    """As it may be shown; empty when there is none."""
    reason: str

    @property
    def text(self) -> str:
        return f"{self.key} = {self.value}: {self.reason}" if self.value else f"{self.key}: {self.reason}"


class GridFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the day; whatever is not known is not judged."""

    price_a_paise: int = 0
    price_b_paise: int = 0
    band_a: tuple[int, int] = (0, 0)
    """Lowest and highest price of the day in paise; (0, 0) = not known."""
    band_b: tuple[int, int] = (0, 0)
    free_paise: Mapping[str, int] = {}
    """Money to trade with, by account."""
    margin_bps: int = 0
    """Share of an order's value that the accounts ask for; 0 = not known."""
    holdings_a_qty: int | None = None
    """Units of token A in the trade account's holdings."""
    names_taken: Collection[str] = ()
    """Names of the desk's other bots."""


_NOTHING_KNOWN: Final = GridFacts()


def violations(
    terms: GridTerms,
    token_a: Instrument | None = None,
    token_b: Instrument | None = None,
    facts: GridFacts = _NOTHING_KNOWN,
) -> list[GridFault]:
    """Why this grid must not start; empty when it may. Without instruments only the terms are judged."""
    found = [*_identity(terms, facts), *_shape(terms), *_hedge(terms)]
    if found:  # the ladder of impossible terms says nothing
        return found
    rungs = ladder(terms, _centre(terms, facts), token_a.tick_paise if token_a else 1)
    found += [*_prices(terms, rungs, facts), *_meetings(terms, rungs)]
    if token_a is not None:
        found += chain(_token_a(terms, token_a), _holdings(terms, rungs, token_a, facts))
    if token_b is not None and terms.is_hedged:
        found += chain(_token_b(terms, token_b), _hedge_short(terms, token_b))
    return [*found, *_hedge_prices(terms, facts), *_funds(terms, rungs, facts)]


def warnings(terms: GridTerms, tick_paise: int = 1, facts: GridFacts = _NOTHING_KNOWN) -> list[GridFault]:
    """What may be meant but surprises. Of terms that have no violations."""
    rungs = ladder(terms, _centre(terms, facts), tick_paise)
    odd = _rounded(terms, tick_paise)
    return [*_convergence(terms, rungs), *_marketable(terms, rungs, facts), *odd, *_literal(terms)]


def held_back(rungs: list[Rung], price_paise: int) -> list[Rung]:
    """Levels whose entry would trade at once at this price: they wait until the price is on their far side (BUG-53)."""
    return [rung for rung in rungs if (rung.entry_paise - price_paise) * rung.side.sign >= 0]


# --- the terms alone --------------------------------------------------------------------------------------------------


def _identity(terms: GridTerms, facts: GridFacts) -> Iterator[GridFault]:
    if not terms.bot.strip():
        yield GridFault("bot_name", "", "missing: the name of this grid in the journal, the log and its state file")
    elif terms.bot.casefold() in {name.casefold() for name in facts.names_taken}:
        yield GridFault("bot_name", f'"{terms.bot}"', "is the name of another bot of this desk already")
    if not terms.token_a:
        yield GridFault("token_a_symbol", "", "missing: the instrument that carries entries and targets")
    if not terms.accounts.trade:
        yield GridFault("accounts.trade", "", "missing: the account of entries and targets")


def _shape(terms: GridTerms) -> Iterator[GridFault]:
    if terms.entry_paise < 0:
        yield _money("entry_price", terms.entry_paise, "above zero, or 0 for the first price of token A")
    if terms.qty_a <= 0:
        yield GridFault("token_a_quantity", str(terms.qty_a), "units of one level, 1 or more")
    if terms.kind is GridKind.LINEAR:
        if not 1 <= terms.steps <= STEPS_MAX:
            yield GridFault("steps", str(terms.steps), f"levels of one side, from 1 to {STEPS_MAX}")
        if terms.spread_paise <= 0:
            yield _money("spread", terms.spread_paise, "rupees between two levels, above zero")
        if terms.target_spread_paise <= 0:
            yield _money("target_spread", terms.target_spread_paise, "rupees from entry to target, above zero")
        return
    if terms.base_space_paise <= 0:
        yield _money("base_space", terms.base_space_paise, "rupees, above zero")
    if terms.base_target_paise <= 0:
        yield _money("base_target", terms.base_target_paise, "rupees, above zero")
    if terms.total_qty <= 0:
        yield GridFault("total_quantity", str(terms.total_qty), "units of all levels of one side, 1 or more")
    elif level_count(terms) > GEOMETRIC_LEVELS_MAX:
        levels = level_count(terms)
        reason = f"{levels} levels of {terms.qty_a}: at most {GEOMETRIC_LEVELS_MAX}, their distance doubles each time"
        yield GridFault("total_quantity", str(terms.total_qty), reason)


def _hedge(terms: GridTerms) -> Iterator[GridFault]:
    """Only the types that hedge need what a hedge needs."""
    if not terms.is_hedged:
        return
    kind = terms.trade_type.value
    if not terms.token_b:
        yield GridFault("token_b_symbol", "", f"missing: {kind} hedges each fill on a second instrument")
    elif terms.token_b == terms.token_a:
        yield GridFault("token_b_symbol", f'"{terms.token_b}"', "is token A itself, whose loss it cannot hedge")
    if terms.oco_spread_paise <= 0:
        yield _money("oco_spread", terms.oco_spread_paise, f"{kind} hedges beyond the price of token B: above zero")
    if terms.qty_b <= 0:
        yield GridFault("token_b_quantity", str(terms.qty_b), f"{kind} hedges so many units a level: 1 or more")
    for side, key in ((TradeSide.UPSIDE, "upside_oco"), (TradeSide.DOWNSIDE, "downside_oco")):
        entry = side.entry_side
        if entry in terms.trade_type.sides and not terms.accounts.hedge(side):
            reason = f"missing: {kind} hedges its {entry.value} entries there; both hedges may share one account"
            yield GridFault(f"accounts.{key}", "", reason)


# --- the ladder -------------------------------------------------------------------------------------------------------


def _prices(terms: GridTerms, rungs: list[Rung], facts: GridFacts) -> Iterator[GridFault]:
    """Only when the centre is known: every price above zero and inside the day's band."""
    centre = _centre(terms, facts)
    if not centre:
        return
    low, high = facts.band_a
    if high and not low <= centre <= high:
        yield _money("entry_price", centre, f"outside the day's price band {_range(low, high)} of {terms.token_a}")
        return
    for rung in rungs:
        for word, paise in (("entry", rung.entry_paise), ("target", rung.target_paise)):
            where = f"the {word} of {rung.side.value} level {rung.index} would stand at {rupees_text(paise)}"
            if paise <= 0:
                yield _money(_distance_key(terms), _distance(terms), f"{where}, prices are above zero")
                return
            if high and not low <= paise <= high:
                reason = f"{where}, outside the day's price band {_range(low, high)} of {terms.token_a}"
                yield _money(_distance_key(terms), _distance(terms), reason)
                return


def _meetings(terms: GridTerms, rungs: list[Rung]) -> Iterator[GridFault]:
    """Targets of the two sides that would queue at one price, and trade with each other (GRD-09, BUG-52)."""
    if terms.allow_crossing:
        return
    sell_targets = {rung.target_paise: rung for rung in rungs if rung.side is Side.BUY}
    for rung in rungs:
        other = sell_targets.get(rung.target_paise) if rung.side is Side.SELL else None
        if other is None:
            continue
        known = f" {rupees_text(rung.target_paise)}" if terms.entry_paise else ""
        reason = (
            f"the targets of BUY level {other.index} (SELL{known}) and SELL level {rung.index} (BUY{known}) would rest "
            f"at one price in {terms.accounts.trade} and trade with each other"
        )
        if terms.kind is GridKind.LINEAR:
            cure = f"below spread {rupees_text(terms.spread_paise)} they never do, or allow_crossing = true"
            yield _money("target_spread", terms.target_spread_paise, f"{reason}; {cure}")
        else:
            cure = f"at {rupees_text(2 * terms.base_space_paise)} they never do, or allow_crossing = true"
            yield _money("base_target", terms.base_target_paise, f"{reason}; {cure}")
        return


# --- the day's facts --------------------------------------------------------------------------------------------------


def _token_a(terms: GridTerms, token: Instrument) -> Iterator[GridFault]:
    linear = terms.kind is GridKind.LINEAR
    spans = (
        (("spread", terms.spread_paise), ("target_spread", terms.target_spread_paise))
        if linear
        else (("base_space", terms.base_space_paise), ("base_target", terms.base_target_paise))
    )
    for key, paise in spans:
        if paise < token.tick_paise:
            yield _money(key, paise, f"at least one tick of {token.symbol}, {rupees_text(token.tick_paise)}")
    yield from _quantity("token_a_quantity", terms.qty_a, token)
    if not linear and terms.total_qty % token.lot_size:
        yield GridFault("total_quantity", str(terms.total_qty), _lots(token))


def _token_b(terms: GridTerms, token: Instrument) -> Iterator[GridFault]:
    if terms.oco_spread_paise < token.tick_paise:
        reason = f"at least one tick of {token.symbol}, {rupees_text(token.tick_paise)}"
        yield _money("oco_spread", terms.oco_spread_paise, reason)
    yield from _quantity("token_b_quantity", terms.qty_b, token)


def _quantity(key: str, qty: int, token: Instrument) -> Iterator[GridFault]:
    if qty % token.lot_size:
        yield GridFault(key, str(qty), _lots(token))
    elif token.freeze_qty and qty > token.max_order_qty:
        yield GridFault(key, str(qty), f"one order of {token.symbol} holds at most {token.max_order_qty} units")


def _hedge_short(terms: GridTerms, token: Instrument) -> Iterator[GridFault]:
    """A hedge sells what the account does not hold, which shares allow within the day only (section H, (g))."""
    if Side.BUY in terms.trade_type.sides and terms.product != "MIS" and token.segment is Segment.EQUITY:
        reason = f"the SELL hedges of {token.symbol} open a short, which shares allow with MIS only"
        yield GridFault("product_type", f'"{terms.product}"', reason)


def _holdings(terms: GridTerms, rungs: list[Rung], token: Instrument, facts: GridFacts) -> Iterator[GridFault]:
    """SELL entries that deliver need the shares (GRD-59); a level that they do not reach for is skipped later."""
    sells = [rung.qty for rung in rungs if rung.side is Side.SELL]
    held = facts.holdings_a_qty
    delivers = terms.product != "MIS" and token.segment is Segment.EQUITY
    if delivers and held is not None and sells and held < sells[0] and Side.BUY not in terms.trade_type.sides:
        reason = f"SELL entries deliver {sells[0]} {token.symbol} each, {terms.accounts.trade} holds {held}"
        yield GridFault("product_type", f'"{terms.product}"', reason)


def _hedge_prices(terms: GridTerms, facts: GridFacts) -> Iterator[GridFault]:
    """The first hedges from where token B stands: above zero (GRD-10) and inside its band."""
    if not terms.is_hedged or not facts.price_b_paise:
        return
    low, high = facts.band_b
    for side in terms.trade_type.sides:
        hedge = facts.price_b_paise - side.sign * terms.hedge_sign * terms.oco_spread_paise
        where = f"the first hedge of a {side.value} entry would stand at {rupees_text(hedge)}"
        if hedge <= 0:
            yield _money("oco_spread", terms.oco_spread_paise, f"{where}, prices are above zero")
        elif high and not low <= hedge <= high:
            reason = f"{where}, outside the day's price band {_range(low, high)} of {terms.token_b}"
            yield _money("oco_spread", terms.oco_spread_paise, reason)


def _funds(terms: GridTerms, rungs: list[Rung], facts: GridFacts) -> Iterator[GridFault]:
    """All levels of the larger side open at once: what one account can owe, since the two sides net out."""
    if not facts.margin_bps:
        return
    if _centre(terms, facts):
        values = (sum(r.entry_paise * r.qty for r in rungs if r.side is side) for side in terms.trade_type.sides)
        need = _margin(max(values), facts)
        free = facts.free_paise.get(terms.accounts.trade)
        if free is not None and need > free:
            yield GridFault("token_a_quantity", str(terms.qty_a), _short_of(need, terms.accounts.trade, free))
    if not terms.is_hedged or not facts.price_b_paise:
        return
    need = _margin(facts.price_b_paise * terms.qty_b * level_count(terms), facts)
    accounts = [terms.accounts.hedge(side) for side in TradeSide if side.entry_side in terms.trade_type.sides]
    for account in dict.fromkeys(accounts):
        free = facts.free_paise.get(account)
        if free is not None and need > free:
            yield GridFault("token_b_quantity", str(terms.qty_b), _short_of(need, account, free))


# --- worth a look -----------------------------------------------------------------------------------------------------


def _convergence(terms: GridTerms, rungs: list[Rung]) -> Iterator[GridFault]:
    if converges(terms):
        return
    for side in terms.trade_type.sides:
        targets = ", ".join(rupees_text(rung.target_paise) for rung in rungs if rung.side is side)
        reason = f"the {side.value} targets do not meet (base_target is not 2 x base_space): {targets}"
        yield _money("base_target", terms.base_target_paise, reason)


def _marketable(terms: GridTerms, rungs: list[Rung], facts: GridFacts) -> Iterator[GridFault]:
    waiting = held_back(rungs, facts.price_a_paise) if facts.price_a_paise else []
    if waiting:
        prices = ", ".join(f"{rung.side.value} {rupees_text(rung.entry_paise)}" for rung in waiting)
        reason = f"{terms.token_a} stands at {rupees_text(facts.price_a_paise)}: held back until it is beyond {prices}"
        yield _money("entry_price", _centre(terms, facts), reason)


def _rounded(terms: GridTerms, tick: int) -> Iterator[GridFault]:
    if terms.kind is GridKind.LINEAR:
        for key, paise in (("spread", terms.spread_paise), ("target_spread", terms.target_spread_paise)):
            if paise % tick:
                yield _money(key, paise, f"no multiple of the tick {rupees_text(tick)}: each price is rounded to it")


def _literal(terms: GridTerms) -> Iterator[GridFault]:
    if terms.is_hedged and terms.hedge_order_type is HedgeOrderType.LIMIT:
        reason = "for comparison only: such a hedge fills at once and closes its level, so no target ever earns"
        yield GridFault("hedge_order_type", '"limit"', reason)
    if terms.is_hedged and terms.literal_termination:
        reason = "for comparison only: a gap of token B ends the grid, its resting hedge included"
        yield GridFault("literal_termination", "true", reason)


# --- words ------------------------------------------------------------------------------------------------------------


def _centre(terms: GridTerms, facts: GridFacts) -> int:
    return terms.entry_paise or facts.price_a_paise


def _distance_key(terms: GridTerms) -> str:
    return "spread" if terms.kind is GridKind.LINEAR else "base_space"


def _distance(terms: GridTerms) -> int:
    return terms.spread_paise if terms.kind is GridKind.LINEAR else terms.base_space_paise


def _margin(value_paise: int, facts: GridFacts) -> int:
    return divide_half_up(value_paise * facts.margin_bps, _BPS)


def _short_of(need: int, account: str, free: int) -> str:
    shown = f"{rupees_text(need, grouped=True)} rupees of margin"
    return f"all levels of one side need {shown}, {account} has {rupees_text(free, grouped=True)}"


def _lots(token: Instrument) -> str:
    return f"a multiple of the lot {token.lot_size} of {token.symbol}"


def _range(low: int, high: int) -> str:
    return f"{rupees_text(low)} to {rupees_text(high)}"


def _money(key: str, paise: int, reason: str) -> GridFault:
    return GridFault(key, rupees_text(paise), reason)
