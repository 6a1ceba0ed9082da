"""Asks a position's exit rules and keeps the best of what they propose: the effective stop only ever tightens (I-4).

A rule that raises an error is set aside for this position with an alarm; its last stop and the fixed stop stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from engine.bracket_entry import BracketEntry
from engine.bracket_state import BracketBody
from engine.exit_rules.registry import decode_rules
from engine.exit_rules.rule import NO_HIGH, NO_LOW, ExitRule, Proposal, RuleFacts, RuleMemory, Story
from engine.messages import Msg
from engine.money import divide_half_up, rupees_text
from engine.order import Order
from engine.outbox import ExitSignal, Outbox
from engine.price_book import PriceBook
from engine.reading import IndicatorSpec, Readings
from engine.tags import TagMaker
from engine.venue_rules import VenueRules

REASON_STOP: Final = "Stoploss Hit"
REASON_TRAIL: Final = "Trailing Stop"


class BracketRules(BracketEntry):
    """Adds the exit rules, and the decision to leave, to the bracket's entry."""

    def __init__(
        self,
        body: BracketBody,
        price: PriceBook,
        rules: VenueRules,
        tags: TagMaker,
        orders: Mapping[str, Order],
        readings: Readings | None = None,
    ) -> None:
        super().__init__(body, price, rules, tags, orders, readings)
        decoded = decode_rules(body.terms.rules)
        self.exit_rules: tuple[ExitRule, ...] = decoded.rules
        self.lost_rules: tuple[str, ...] = decoded.warnings
        """Rules of a restored position that this build does not know; the fixed stop still protects."""
        self._needs: tuple[IndicatorSpec, ...] | None = None
        self._broken_rules: set[int] = set()
        self._untold_errors: dict[int, Exception] = {}
        """Of rules that failed while only their band or their next instant was asked for."""
        body.memories += [RuleMemory() for _ in self.exit_rules[len(body.memories) :]]

    # --- asking -------------------------------------------------------------------------------------------------

    def indicators(self) -> tuple[IndicatorSpec, ...]:
        """What the desk must keep candles for while this position is open."""
        if self._needs is None:  # the rules of an open position never change
            self._needs = tuple(dict.fromkeys(spec for rule in self.exit_rules for spec in rule.needs()))
        return self._needs

    def rule_facts(self, now_ns: int) -> RuleFacts:
        body = self.body
        return RuleFacts(
            now_ns=now_ns,
            symbol=body.symbol,
            side=body.side,
            trade_type=body.terms.trade_type,
            open_qty=max(self.open_qty, 0),
            entry_paise=body.entry_paise,
            target_offset_paise=self.target_offset_paise,
            first_stop_paise=body.original_stop_paise,
            stop_paise=body.stop_paise,
            best_paise=body.best_paise,
            ltp_paise=self.tick.ltp_paise,
            tick_paise=self.instrument.tick_paise,
            opened_ns=body.opened_ns,
        )

    @property
    def target_offset_paise(self) -> int:
        """Distance of the fixed target by the terms; 0 = none."""
        terms = self.body.terms
        return divide_half_up(self.body.entry_paise * terms.target_bps, 10_000) or terms.target_offset_paise

    def ask_rules(self, now_ns: int, out: Outbox, *, candle: bool = False) -> None:
        """Every rule in its order; the tightest stop wins, the first reason to leave ends the asking (§5.7)."""
        body = self.body
        self.tell_failed_rules(out)
        for index, rule in enumerate(self.exit_rules):
            if body.exit_reason or index in self._broken_rules:
                continue
            memory = body.memories[index]
            before = memory.active
            facts = self.rule_facts(now_ns)
            try:
                ask = rule.on_candle if candle else rule.on_price
                proposal = ask(facts, memory, self.readings)
            except Exception as error:  # noqa: BLE001 - a plug-in's bug must not take the position's exits with it
                self._set_aside(index, error, out)
                continue
            if memory.active and not before:
                memory.since_ns = memory.since_ns or now_ns
                self._tell_armed(facts, out)
            self._take(rule, proposal, now_ns, out)

    def tell_failed_rules(self, out: Outbox) -> None:
        """Set aside what failed where nothing could be said."""
        for index in list(self._untold_errors):
            self._set_aside(index, self._untold_errors.pop(index), out)

    def _set_aside(self, index: int, error: Exception, out: Outbox) -> None:
        self._broken_rules.add(index)
        body, name = self.body, self.exit_rules[index].name
        text = f"rule {name} failed ({type(error).__name__}: {error}) and is set aside, its last stop stays"
        out.say(Msg.INTERNAL, source=body.bot, symbol=body.symbol, where=f"{body.symbol} rule {name}", error=error)
        out.raise_alarm(f"rule:{name}:{body.bracket_id}", f"{body.symbol}: {text}")

    def _take(self, rule: ExitRule, proposal: Proposal, now_ns: int, out: Outbox) -> None:
        body = self.body
        if proposal.drops_target and not body.target_dropped:
            body.target_dropped = True
            body.target_paise = 0
            text = "the fixed target no longer counts"
            out.say(Msg.RULE, source=body.bot, symbol=body.symbol, rule=rule.name, text=text)
        if proposal.stop_paise > 0 and (not body.stop_paise or self.is_tighter(proposal.stop_paise, body.stop_paise)):
            old, new = rupees_text(body.stop_paise), rupees_text(proposal.stop_paise)
            out.say(Msg.TRAIL_MOVE, source=body.bot, symbol=body.symbol, old=old, new=new, rule=rule.name)
            body.stop_paise = proposal.stop_paise
            body.trail_active = True
            body.stop_touched_ns = 0
            out.touched_brackets.add(body.bracket_id)
            self.say_state(out)
        if proposal.leave:
            self.leave(proposal.leave, "square_off", now_ns, out)

    def _tell_armed(self, facts: RuleFacts, out: Outbox) -> None:
        body = self.body
        body.trail_active = True
        out.touched_brackets.add(body.bracket_id)
        out.say(Msg.TRAIL_ACTIVE, source=body.bot, symbol=body.symbol, profit=rupees_text(facts.gain_paise))

    def note_best(self, ltp_paise: int, out: Outbox) -> bool:
        """Remember the best price seen; True when it is a new one."""
        body = self.body
        if body.best_paise and self.sign * (ltp_paise - body.best_paise) <= 0:
            return False
        body.best_paise = ltp_paise
        out.touched_brackets.add(body.bracket_id)
        return True

    # --- what the desk asks back ---------------------------------------------------------------------------------

    def rules_band(self, now_ns: int) -> tuple[int, int]:
        """(low, high) inside which no rule changes its mind; every new best price is looked at."""
        if not self.exit_rules:
            return NO_LOW, NO_HIGH
        best = self.body.best_paise
        low, high = (NO_LOW, best + 1) if self.sign > 0 else (best - 1, NO_HIGH)
        facts = self.rule_facts(now_ns)
        for index, rule in enumerate(self.exit_rules):
            if index in self._broken_rules:
                continue
            if index in self._untold_errors:
                return NO_HIGH, NO_HIGH  # every tick looks, so that it is told soon
            try:
                rule_low, rule_high = rule.band(facts, self.body.memories[index])
            except Exception as error:  # noqa: BLE001 - as in `ask_rules`; told when there is an outbox again
                self._untold_errors.setdefault(index, error)
                return NO_HIGH, NO_HIGH
            low, high = max(low, rule_low), min(high, rule_high)
        return low, high

    def rules_wakes(self, now_ns: int) -> list[int]:
        """Instants at which a rule must be asked whatever the price does."""
        if not self.exit_rules or self.body.exit_reason or not self.body.entry_paise:
            return []
        asked: list[int] = []
        for index, rule in enumerate(self.exit_rules):
            has_instants = type(rule).wake_ns is not ExitRule.wake_ns
            if not has_instants or index in self._broken_rules or index in self._untold_errors:
                continue
            try:
                asked.append(rule.wake_ns(self.rule_facts(now_ns), self.body.memories[index]))
            except Exception as error:  # noqa: BLE001 - as in `ask_rules`; told when there is an outbox again
                self._untold_errors[index] = error
        return [wake_ns for wake_ns in asked if wake_ns]

    def stories(self, now_ns: int) -> tuple[Story, ...]:
        """What each rule would do, for the screen."""
        facts = self.rule_facts(now_ns)
        pairs = zip(self.exit_rules, self.body.memories, strict=False)
        return tuple(rule.story(facts, memory, self.readings) for rule, memory in pairs)

    # --- leaving -------------------------------------------------------------------------------------------------

    @property
    def stop_reason(self) -> str:
        return REASON_TRAIL if self.body.stop_paise != self.body.original_stop_paise else REASON_STOP

    def leave(self, reason: str, context: str, now_ns: int, out: Outbox, *, level_paise: int = 0) -> bool:
        """Decide to close the position; the plan does the rest. False when that was decided before (I-2)."""
        body = self.body
        if body.exit_reason:
            return False
        body.exit_reason, body.exit_context, body.exit_asked_ns = reason, context, now_ns
        body.exit_trigger_paise, body.exit_level_paise = self.tick.ltp_paise, level_paise
        out.touched_brackets.add(body.bracket_id)
        out.signals.append(
            ExitSignal(
                bracket_id=body.bracket_id,
                bot=body.bot,
                symbol=body.symbol,
                exit_reason=reason,
                trigger_paise=body.exit_trigger_paise,
                stop_paise=body.stop_paise,
                target_paise=body.target_paise,
                priority="HIGH" if reason in (REASON_STOP, REASON_TRAIL) else "MEDIUM",
            )
        )
        return True

    # --- words ---------------------------------------------------------------------------------------------------

    def say_state(self, out: Outbox) -> None:
        """One parsable line after every key event (HRD-24)."""
        body = self.body
        out.say(
            Msg.STATE,
            source=body.bot,
            symbol=body.symbol,
            state="LONG" if self.sign > 0 else "SHORT",
            qty=self.open_qty,
            entry=rupees_text(body.entry_paise),
            target=rupees_text(body.target_paise) if body.target_paise else "-",
            stop=rupees_text(body.stop_paise),
        )
