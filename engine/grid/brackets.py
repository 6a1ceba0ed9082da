"""The brackets of a grid: one on token A for each cycle of a level, one on token B for each hedge group. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from hashlib import blake2b
from typing import Final

from engine.bracket import Bracket
from engine.bracket_state import BracketBody, BracketTerms, EntryKind, EntryRest, StopType
from engine.grid.hedge import HedgeGroup
from engine.grid.level import Level
from engine.grid.memory import GridBody
from engine.grid.terms import GridTerms, HedgeOrderType, TradeSide
from engine.instrument import Instrument
from engine.order import Order, Side
from engine.outbox import Outbox
from engine.price_book import PriceBook
from engine.tags import TagMaker
from engine.venue_rules import VenueRules
from engine.view import BracketState

UUID_BYTES: Final = 6
_NO_LIMIT: Final = 0

EntryBlock = Callable[[int], str]
"""Why the desk takes no entries of this bot at an instant; empty while it does (O10)."""


def cycle_terms(terms: GridTerms) -> BracketTerms:
    """Of a level's position on token A: it rests in and out; what limits its loss is the hedge."""
    return BracketTerms(
        target_offset_paise=0,
        stop_offset_paise=0,
        entry_rest=EntryRest.GROW,
        entry_kind=EntryKind.LIMIT,
        covered_elsewhere=True,
        protection_bps=terms.protection_bps,
        max_tick_age_ns=terms.max_tick_age_ns,
        naked_limit_ns=_NO_LIMIT,
        trade_type="Grid",
    )


def hedge_terms(terms: GridTerms) -> BracketTerms:
    """Of a hedge on token B: a stop that must fill once it is passed, and then a position that waits for its pair."""
    is_stop = terms.hedge_order_type is HedgeOrderType.STOP
    return BracketTerms(
        target_offset_paise=0,
        stop_offset_paise=0,
        stop_type=StopType.SL,
        stop_gap_bps=terms.hedge_protection_bps,
        entry_rest=EntryRest.GROW,
        entry_kind=EntryKind.STOP if is_stop else EntryKind.LIMIT,
        covered_elsewhere=True,
        protection_bps=terms.protection_bps,
        max_tick_age_ns=terms.max_tick_age_ns,
        naked_limit_ns=_NO_LIMIT,
        trade_type="Hedge",
    )


class GridBrackets:
    """Owns them, and knows which level and which group each belongs to."""

    def __init__(
        self,
        terms: GridTerms,
        prices: Mapping[str, PriceBook],
        rules: Mapping[str, VenueRules],
        tags: TagMaker,
        orders: Mapping[str, Order],
        entry_block: EntryBlock,
    ) -> None:
        """`prices` by symbol, `rules` by account."""
        self.terms = terms
        self.body = GridBody()
        self.brackets: dict[str, Bracket] = {}
        """Of the day, closed ones too: a late fill or record still finds its bracket."""
        self.books_known = True
        """False from a restart to the first complete read of every account's books (R4)."""
        self.price_a = prices[terms.token_a]
        self.price_b = prices[terms.token_b] if terms.is_hedged else None
        self._unclosed: dict[str, Bracket] = {}
        self._rules = rules
        self._tags = tags
        self._orders = orders
        self._entry_block = entry_block
        self._next_rung_ns: dict[TradeSide, int] = {}
        """In the seed's cadence: when the next entry of a side may follow (CON-15)."""
        self._cycle_terms = cycle_terms(terms)
        self._hedge_terms = hedge_terms(terms)

    @property
    def name(self) -> str:
        return self.terms.bot

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        return self._instruments

    @cached_property
    def _instruments(self) -> dict[str, Instrument]:
        prices = [self.price_a] + ([self.price_b] if self.price_b is not None else [])
        return {price.instrument.symbol: price.instrument for price in prices}

    def open_brackets(self) -> list[Bracket]:
        """Brackets that are not over, oldest first; its cost does not grow with the day's history."""
        for bracket_id in [key for key, bracket in self._unclosed.items() if bracket.body.state is BracketState.FLAT]:
            del self._unclosed[bracket_id]
        return list(self._unclosed.values())

    def cycle_of(self, level: Level) -> Bracket | None:
        """The level's position on token A, entering, open or just over; None while there is none."""
        return self.brackets.get(level.cycle) if level.cycle else None

    def bracket_of(self, group: HedgeGroup) -> Bracket | None:
        return self.brackets.get(group.bracket_id)

    def levels_of(self, side: TradeSide | None = None) -> list[Level]:
        """Of one side, or of both; nearest to the centre first on each."""
        if side is None:
            return self.body.levels
        entry_side = side.entry_side
        return [level for level in self.body.levels if level.side is entry_side]

    def level(self, uuid: str) -> Level | None:
        return next((level for level in self.body.levels if level.uuid == uuid), None)

    def next_uuid(self) -> str:
        """12 hex characters, never twice for a bot of this name (GRD-11)."""
        self.body.uuids += 1
        seed = f"{self.terms.bot}/{self._tags.next_bracket_id()}/{self.body.uuids}"
        return blake2b(seed.encode(), digest_size=UUID_BYTES).hexdigest()

    def is_fresh_b(self, now_ns: int) -> bool:
        """Token B has a price to decide on (H-12)."""
        price = self.price_b
        return price is not None and price.tick.ltp_paise > 0 and price.is_fresh(now_ns, self.terms.max_tick_age_ns)

    def is_fresh_a(self, now_ns: int) -> bool:
        price = self.price_a
        return price.tick.ltp_paise > 0 and price.is_fresh(now_ns, self.terms.max_tick_age_ns)

    # --- making them ---------------------------------------------------------------------------------------------

    def open_cycle(self, level: Level, now_ns: int, out: Outbox) -> Bracket:
        """Send the level's entry, in the trade account (GRD-38)."""
        body = self._body(self.price_a, self.terms.accounts.trade, level.side, level.qty, self._cycle_terms)
        body.level_paise, body.level_target_paise = level.entry_paise, level.target_paise
        return self._open(body, self.price_a, now_ns, out)

    def open_hedge(self, group: HedgeGroup, level_paise: int, now_ns: int, out: Outbox) -> Bracket:
        """Send a hedge, in the account of the side that it hedges (GRD-38)."""
        assert self.price_b is not None, "a grid without token B has no hedges"
        account = self.terms.accounts.hedge(group.trade_side)
        body = self._body(self.price_b, account, group.side, group.wanted_qty, self._hedge_terms)
        body.is_hedge, body.level_paise = True, level_paise
        if group.is_market:
            body.entry_due_ns = now_ns
        return self._open(body, self.price_b, now_ns, out)

    def _body(self, price: PriceBook, account: str, side: Side, qty: int, terms: BracketTerms) -> BracketBody:
        return BracketBody(
            bracket_id=self._tags.next_bracket_id(),
            account=account,
            bot=self.name,
            symbol=price.instrument.symbol,
            exchange=price.instrument.exchange,
            product=self.terms.product,
            side=side,
            qty=qty,
            terms=terms,
            style=terms.style,
            hint_paise=max(price.tick.ltp_paise, 0),
        )

    def _open(self, body: BracketBody, price: PriceBook, now_ns: int, out: Outbox) -> Bracket:
        bracket = self._bracket(body, price)
        self.brackets[body.bracket_id] = self._unclosed[body.bracket_id] = bracket
        bracket.enter(now_ns, out)
        return bracket

    def _bracket(self, body: BracketBody, price: PriceBook) -> Bracket:
        return Bracket(body, price, self._rules[body.account], self._tags, self._orders)

    # --- taking them back ----------------------------------------------------------------------------------------

    def restore(self, bodies: Sequence[BracketBody]) -> None:
        """Take back the brackets that were open when the desk ended (GRD-52)."""
        for bracket in self._known(bodies):
            self.brackets[bracket.body.bracket_id] = self._unclosed[bracket.body.bracket_id] = bracket

    def remember(self, bodies: Sequence[BracketBody]) -> None:
        """The day's closed ones: a fill that comes late still finds its own (UPD-12)."""
        for bracket in self._known(bodies):
            self.brackets[bracket.body.bracket_id] = bracket
            if bracket.body.state is not BracketState.FLAT:
                self._unclosed[bracket.body.bracket_id] = bracket

    def _known(self, bodies: Sequence[BracketBody]) -> list[Bracket]:
        prices = {self.terms.token_a: self.price_a} | ({self.terms.token_b: self.price_b} if self.price_b else {})
        return [self._bracket(body, prices[body.symbol]) for body in bodies if body.symbol in prices]
