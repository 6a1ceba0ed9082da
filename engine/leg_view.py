"""Pictures of one position: its word, its exits with where they live, its rules, and what happens next. Pure.

A picture holds instants, never ages, so that it stays equal while only time passes. A short position has negative units
here, as the broker signs it, and is valued at the ask.
"""

from __future__ import annotations

from typing import Final

import msgspec

from engine.bracket import Bracket
from engine.exit_rules.rule import ExitRule, RuleFacts, RuleMemory, Story
from engine.leg import Leg
from engine.money import rupees_text
from engine.order import Order, OrderState, Role
from engine.order_doubts import Doubt, OrderDoubts
from engine.view import (
    BracketState,
    DoubtView,
    ExitStyle,
    ExitView,
    LegView,
    ProtectionWord,
    RuleView,
)

_CERTAINTY: Final = (OrderState.UNKNOWN, OrderState.INTENDED, OrderState.SENT)
"""Least certain first; everything else is an answer."""


class PositionPictures:
    """Everything a screen may know of one bracket."""

    def __init__(self, bracket: Bracket, doubts: OrderDoubts, ambiguity_ns: int) -> None:
        self._bracket = bracket
        self._doubts = doubts
        self._ambiguity_ns = ambiguity_ns

    # --- exits ------------------------------------------------------------------------------------------------------

    def stop(self) -> ExitView | None:
        body = self._bracket.body
        resting = self._bracket.live(Role.STOP)
        if not body.stop_paise and not resting:
            return None
        if not resting:
            return ExitView(price_paise=body.stop_paise, qty=max(self._bracket.open_qty, 0))
        shown = _least_certain(resting)
        price = shown.trigger_paise or shown.limit_paise
        return self._resting(resting, shown, price_paise=price, limit_paise=shown.limit_paise)

    def target(self) -> ExitView | None:
        body = self._bracket.body
        resting = self._bracket.live(Role.TARGET)
        if not body.target_paise and not resting:
            return None
        if not resting:
            return ExitView(price_paise=body.target_paise, qty=max(self._bracket.open_qty, 0))
        shown = _least_certain(resting)
        return self._resting(resting, shown, price_paise=shown.limit_paise)

    def leaving(self) -> ExitView | None:
        """The orders that close the position, or trade a surplus back."""
        closing = self._bracket.live(Role.EXIT, Role.REPAIR)
        if not closing:
            return None
        shown = _least_certain(closing)
        return self._resting(closing, shown, price_paise=shown.limit_paise)

    def _resting(self, orders: list[Order], shown: Order, *, price_paise: int, limit_paise: int = 0) -> ExitView:
        return ExitView(
            price_paise=price_paise,
            limit_paise=limit_paise if limit_paise != price_paise else 0,
            qty=sum(order.remaining_qty for order in orders),
            resting=shown.is_at_broker,
            state=shown.state,
            since_ns=shown.state_ns,
            parts=len(orders),
            doubt=self.doubt(shown) if shown.state is OrderState.UNKNOWN else None,
        )

    def doubt(self, order: Order) -> DoubtView | None:
        """What was done about an order that nobody answered for."""
        is_open = order.state is OrderState.UNKNOWN
        known = self._doubts.of(order.tag)
        if known is None:
            if not is_open:
                return None
            known = Doubt(since_ns=order.state_ns)
        return doubt_view(
            known,
            next_ns=self._bracket.look_up_due_ns(order, order.state_ns) if is_open else 0,
            fate_ns=order.state_ns + self._ambiguity_ns if is_open else 0,
        )

    # --- rules ------------------------------------------------------------------------------------------------------

    def rules(self, now_ns: int) -> tuple[RuleView, ...]:
        """What each exit rule would do; one whose code fails here is named, and takes nothing with it."""
        bracket = self._bracket
        lost = tuple(RuleView(rule="?", is_active=False, trouble=text) for text in bracket.lost_rules)
        if not bracket.exit_rules or not bracket.body.entry_paise:
            return lost
        facts = bracket.rule_facts(now_ns)
        pairs = zip(bracket.exit_rules, bracket.body.memories, strict=False)
        return tuple(self._rule(rule, facts, memory) for rule, memory in pairs) + lost

    def _rule(self, rule: ExitRule, facts: RuleFacts, memory: RuleMemory) -> RuleView:
        try:
            story = rule.story(facts, memory, self._bracket.readings)
        except Exception as error:  # noqa: BLE001 - a plug-in's bug must not take the screen with it
            trouble = f"cannot tell ({type(error).__name__}: {error})"
            return RuleView(rule=rule.name, is_active=memory.active, level_paise=memory.level_paise, trouble=trouble)
        return _rule_view(story, facts.now_ns)

    # --- words ------------------------------------------------------------------------------------------------------

    def word(self, now_ns: int) -> ProtectionWord:
        """The bracket's own word, and those that only the way out needs."""
        bracket = self._bracket
        if bracket.open_qty < 0:
            return ProtectionWord.SURPLUS
        if bracket.has_failed_to_exit:
            return ProtectionWord.EXIT_FAILED
        if bracket.open_qty == 0 and bracket.body.flat_ns and bracket.body.state is BracketState.EXITING:
            return ProtectionWord.PROVING
        return bracket.protection(now_ns)

    def trail(self, rules: tuple[RuleView, ...]) -> str:
        """The tightest active rule first, else the one that arms next."""
        body = self._bracket.body
        if not self._bracket.exit_rules:
            return "off"
        if body.trail_active:
            return f"active, stop {rupees_text(body.stop_paise)}, best {rupees_text(body.best_paise)}"
        levels = [rule.level_paise for rule in rules if rule.level_paise]
        return f"arms at {rupees_text(levels[0])}" if levels else "on"

    def next_step(self) -> str:
        """What happens now and next; no ages, so that it changes only with the facts."""
        bracket, body = self._bracket, self._bracket.body
        if bracket.open_qty < 0:
            return f"closed {-bracket.open_qty} too many, trading them back"
        if body.state is BracketState.ENTERING:
            return "waiting for the entry to fill"
        if bracket.open_qty == 0:
            return self._proof_step()
        if body.exit_reason:
            refused = f", refused {body.exit_rejects}x, tries go on" if body.exit_rejects else ""
            return f"closing: {body.exit_reason}{refused}"
        stops = bracket.live(Role.STOP)
        if any(stop.state is OrderState.UNKNOWN for stop in stops):
            return f"looking it up by its tag; {rupees_text(body.stop_paise)} guarded here"
        if body.stop_escalated:
            return "the stop was jumped and is now a marketable limit"
        if body.stop_touched_ns:
            return "stop touched, waiting for its fill"
        if bracket.covered_qty >= bracket.open_qty:
            return "target and stop rest" if body.style is ExitStyle.RESTING else "stop rests, target watched here"
        if body.style is ExitStyle.MONITORED:
            return "watched here"
        if bracket.write_waits:
            return "order budget used up: the stop waits, its level is guarded here"
        what = "no reply yet for the stop" if stops else "placing the stop"
        return f"{what}; {rupees_text(body.stop_paise)} guarded here" if body.stop_paise else what

    def _proof_step(self) -> str:
        live = [order for order in self._bracket.mine if order.is_live]
        if live:
            names = ", ".join(dict.fromkeys(order.role.value for order in live))
            return f"fills say flat, waiting for the end of: {names}"
        looks = self._bracket.body.proof_looks
        return f"fills say flat, asking the broker{f'; {looks}x still open there' if looks else ''}"


def doubt_view(doubt: Doubt, *, next_ns: int = 0, fate_ns: int = 0) -> DoubtView:
    return DoubtView(
        since_ns=doubt.since_ns,
        looks=doubt.looks,
        failed_looks=doubt.failed_looks,
        next_ns=next_ns,
        fate_ns=fate_ns,
        ended_ns=doubt.ended_ns,
        outcome=doubt.outcome,
    )


def with_position(view: LegView, pictures: PositionPictures, bracket: Bracket, now_ns: int) -> LegView:
    """The leg as it looks with this position in it."""
    body, open_qty, sign = bracket.body, bracket.open_qty, bracket.sign
    touch = bracket.tick.bid_paise if sign > 0 else bracket.tick.ask_paise
    mark = touch or bracket.tick.ltp_paise
    rules = pictures.rules(now_ns)
    return msgspec.structs.replace(
        view,
        style=body.style,
        state=body.state,
        protection=pictures.word(now_ns),
        open_qty=bracket.net_qty,
        lots=sign * (abs(open_qty) // view.lot_size) if view.lot_size else 0,
        covered_qty=bracket.covered_qty,
        naked_since_ns=body.naked_since_ns if open_qty > 0 else 0,
        entry_paise=body.entry_paise,
        unrealised_paise=(mark - body.entry_paise) * bracket.net_qty if mark and open_qty > 0 else 0,
        stop=pictures.stop(),
        target=pictures.target(),
        trail=pictures.trail(rules),
        protected_since_ns=body.protected_ns,
        next_step=pictures.next_step(),
        rules=rules,
        leaving=pictures.leaving(),
        exit_tries=body.exit_rejects,
        proof_looks=body.proof_looks,
    )


def leg_title(leg: Leg) -> str:
    """`PE NIFTY 01DEC 24500`."""
    instrument = leg.instrument
    if instrument.option_type is None or instrument.expiry is None:
        return leg.symbol
    expiry = f"{instrument.expiry:%d%b}".upper()
    return f"{instrument.option_type.value} {instrument.underlying} {expiry} {instrument.strike_paise / 100:g}"


def _least_certain(orders: list[Order]) -> Order:
    """The one that has the least proof behind it; of equals the newest."""
    rank = {state: index for index, state in enumerate(_CERTAINTY)}
    return min(reversed(orders), key=lambda order: rank.get(order.state, len(rank)))


def _rule_view(story: Story, now_ns: int) -> RuleView:
    return RuleView(
        rule=story.rule,
        is_active=story.is_active,
        level_paise=story.level_paise,
        input_ns=now_ns - story.age_ns if story.age_ns else 0,
        inputs=story.inputs,
    )
