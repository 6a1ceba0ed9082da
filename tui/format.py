"""Turns the desk's numbers into the words and figures a trader reads: prices, lots, ages, states, marks.

Pure and free of Textual. Every text that came from outside passes `clean` before it is printed, a second time after
the engine's own sanitising, so that no control character, no direction override and no wide glyph reaches a terminal.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Final, NamedTuple

from engine.instant import NS_PER_S, clock_text
from engine.money import divide_half_up, rupees_text
from engine.order import OrderState, OrderType, Pending
from engine.view import DeskView, DoubtView, ExitView, LegView, OrderView, ProtectionWord, RuleView, StatusView

NOT_APPLICABLE: Final = "-"
_DROPPED_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Mn", "Me", "Mc"})
_PICTOGRAMS: Final = frozenset({"So", "Sk"})
"""Emoji of log sentences: dropped, since their width differs from terminal to terminal."""
_NS_PER_MINUTE: Final = 60 * NS_PER_S
_NS_PER_HOUR: Final = 3600 * NS_PER_S


class AgeLimits(NamedTuple):
    """When a live value turns amber and when it is called stale; the engine's own limits refuse the entries."""

    old_ns: int = 2 * NS_PER_S
    stale_ns: int = 5 * NS_PER_S


class Toned(NamedTuple):
    """A text and the palette name that goes with it; the text alone must carry the meaning."""

    text: str
    style: str = ""


@lru_cache(maxsize=4096)
def clean(text: str) -> str:
    """Outside text made safe to print, one cell per character: pictograms go, the rest becomes a space or `?`."""
    if text.isascii() and text.isprintable():
        return text
    kept: list[str] = []
    was_dropped = False
    for char in text:
        shown = _one_cell(char)
        if shown == "" or (was_dropped and shown == " "):
            was_dropped = True  # the space behind a pictogram goes with it
            continue
        was_dropped = False
        kept.append(shown)
    return "".join(kept)


def _one_cell(char: str) -> str:
    category = unicodedata.category(char)
    if category in _DROPPED_CATEGORIES:
        return " "
    if (char < "\u1100" or "\u1e00" <= char < "\u2600") and unicodedata.east_asian_width(char) not in "WF":
        return char
    return "" if category in _PICTOGRAMS else "?"


def price(paise: int) -> str:
    """`118.25`, or `-` where no price applies."""
    return rupees_text(paise) if paise else NOT_APPLICABLE


def money(paise: int) -> str:
    """A signed sum with paise in Indian groups: `+1,134.50`."""
    return rupees_text(paise, signed=True, grouped=True)


def whole_money(paise: int) -> str:
    """A signed sum to the nearest rupee: `+1,134`."""
    rupees = divide_half_up(paise, 100)
    return rupees_text(rupees * 100, signed=True, grouped=True)[:-3]


def money_style(paise: int) -> str:
    return "gain" if paise > 0 else "loss" if paise < 0 else ""


def quantity(qty: int, lots: int) -> str:
    """`+130 (2 lots)`, `-65 (1 lot) SHORT`: a sold option is named, not only signed."""
    return f"{qty:+d} ({abs(lots)} lot{'' if abs(lots) == 1 else 's'}){' SHORT' if qty < 0 else ''}"


def plain_qty(qty: int) -> str:
    return str(qty) if qty else NOT_APPLICABLE


def move_mark(move: int) -> str:
    """Direction of the last price. A glyph, never a colour: for a short option a falling price is good."""
    return "^" if move > 0 else "v" if move < 0 else "="


def span(ns: int) -> str:
    """A length of time in at most four letters: `0.2s`, `41s`, `12m`, `3h`, `2d`."""
    ns = max(0, ns)
    if ns < 10 * NS_PER_S:
        return f"{ns // (NS_PER_S // 10) / 10:.1f}s"
    if ns < 100 * NS_PER_S:
        return f"{ns // NS_PER_S}s"
    if ns < 100 * _NS_PER_MINUTE:
        return f"{ns // _NS_PER_MINUTE}m"
    if ns < 48 * _NS_PER_HOUR:
        return f"{ns // _NS_PER_HOUR}h"
    return f"{ns // (24 * _NS_PER_HOUR)}d"


def seconds(ns: int) -> str:
    """A length of time in seconds with hundredths: `0.21 s`, `75.00 s`."""
    hundredths = max(0, ns) // (NS_PER_S // 100)
    return f"{hundredths // 100}.{hundredths % 100:02d} s"


def since(at_ns: int, now_ns: int) -> str:
    """Age of an instant, `-` when it never happened."""
    return span(now_ns - at_ns) if at_ns else NOT_APPLICABLE


def countdown(ns: int, *, seconds: bool = False) -> str:
    """`4:32` hours and minutes left, or `4:32:53`."""
    total_s = max(0, ns) // NS_PER_S
    hours, minutes = total_s // 3600, total_s // 60 % 60
    return f"{hours}:{minutes:02d}:{total_s % 60:02d}" if seconds else f"{hours}:{minutes:02d}"


def hour_minute(at_ns: int) -> str:
    return clock_text(at_ns)[:5]


class Freshness(NamedTuple):
    """Age of a leg's price and what may be believed of it."""

    text: str
    style: str
    is_stale: bool


def freshness(tick_ns: int, feed_ns: int, now_ns: int, limits: AgeLimits) -> Freshness:
    """Quiet is not stale: when the link ticks and this strike merely did not trade, `7.1s q` and the value stays."""
    if not tick_ns:
        return Freshness("no tick", "stale", True)
    age_ns = now_ns - tick_ns
    if age_ns < limits.old_ns:
        return Freshness(span(age_ns), "", False)
    if feed_ns and now_ns - feed_ns < limits.old_ns:
        return Freshness(f"{span(age_ns)} q", "", False)
    if age_ns < limits.stale_ns:
        return Freshness(span(age_ns), "warn", False)
    return Freshness(f"{span(age_ns)} STALE", "stale", True)


def feed_is_stale(status: StatusView, limits: AgeLimits) -> bool:
    return not status.feed_ns or status.now_ns - status.feed_ns >= limits.stale_ns


def net_is_stale(view: DeskView, limits: AgeLimits) -> bool:
    """True when some open position is valued with a price that is no longer believed."""
    status = view.status
    ticks = [leg.tick_ns for leg in view.legs if leg.open_qty]
    for grid in view.grids:
        ticks += [token.tick_ns for token in (grid.token_a, grid.token_b) if token is not None and token.net_qty]
    return any(freshness(tick_ns, status.feed_ns, status.now_ns, limits).is_stale for tick_ns in ticks)


SEVERITY: Final[dict[ProtectionWord, int]] = {word: rank for rank, word in enumerate(ProtectionWord)}
"""0 is the most severe."""

PROTECTION_STYLE: Final[dict[ProtectionWord, str]] = {
    ProtectionWord.NAKED: "naked",
    ProtectionWord.EXIT_FAILED: "naked",
    ProtectionWord.SURPLUS: "naked",
    ProtectionWord.UNKNOWN: "unknown",
    ProtectionWord.PARTIAL: "warn",
    ProtectionWord.PLACING: "",
    ProtectionWord.LOCAL: "warn",
    ProtectionWord.PROTECTED: "gain",
    ProtectionWord.EXITING: "",
    ProtectionWord.PROVING: "",
    ProtectionWord.FLAT: "dim",
}


def protection(leg: LegView, now_ns: int) -> Toned:
    """The leg's protection word with its mark and numbers, as style/tui.md §7.1 has them."""
    word, open_qty = leg.protection, abs(leg.open_qty)
    match word:
        case ProtectionWord.NAKED:
            text = f"!! NAKED {since(leg.naked_since_ns, now_ns)}  0/{open_qty} !!"
        case ProtectionWord.UNKNOWN:
            clock = f"{since(leg.naked_since_ns, now_ns)}  " if leg.naked_since_ns else ""
            text = f"?! UNKNOWN {clock}{leg.covered_qty}/{open_qty}"
        case ProtectionWord.EXIT_FAILED:
            text = f"!! EXIT FAILED {leg.exit_tries}x  {open_qty} left !!"
        case ProtectionWord.SURPLUS:
            text = f"!! SURPLUS {leg.open_qty:+d} !!"
        case ProtectionWord.PARTIAL:
            text = f"! PARTIAL {leg.covered_qty}/{open_qty}"
        case ProtectionWord.LOCAL:
            text = "~ LOCAL"
        case ProtectionWord.PROTECTED:
            text = f"PROTECTED {leg.covered_qty}/{open_qty}"
        case ProtectionWord.EXITING:
            text = f"> EXITING {open_qty} left"
        case ProtectionWord.PROVING:
            text = f"> PROVING FLAT{f', {leg.proof_looks}x still open' if leg.proof_looks else ''}"
        case _:
            text = word.value
    return Toned(text, PROTECTION_STYLE[word])


STATE_STYLE: Final[dict[OrderState, str]] = {
    OrderState.UNKNOWN: "unknown",
    OrderState.REJECTED: "loss",
    OrderState.INTENDED: "dim",
    OrderState.FILLED: "dim",
    OrderState.CANCELLED: "dim",
    OrderState.EXPIRED: "dim",
}

_NARROW_STATE: Final[dict[OrderState, str]] = {
    OrderState.TRIGGER_PENDING: "trigger-pend",
    OrderState.UNKNOWN: "unknown (!)",
}
_NARROW_STEM: Final[dict[OrderState, str]] = {
    OrderState.WORKING: "work",
    OrderState.TRIGGER_PENDING: "trig",
    OrderState.PART_FILLED: "part",
}


def order_state(state: OrderState, pending: Pending, *, is_narrow: bool = False) -> Toned:
    """State as the journal holds it, with a pending change behind `>`; the narrow form has twelve letters at most."""
    style = STATE_STYLE.get(state, "warn" if pending else "")
    if pending:
        stem = _NARROW_STEM.get(state, state.value[:4]) if is_narrow else state.value
        return Toned(f"{stem}>{pending.value}", style)
    if is_narrow:
        return Toned(_NARROW_STATE.get(state, state.value), style)
    return Toned("unknown (!)" if state is OrderState.UNKNOWN else state.value, style)


ORDER_TYPE: Final[dict[OrderType, str]] = {
    OrderType.LIMIT: "LMT",
    OrderType.MARKET: "MKT",
    OrderType.SL: "SL",
    OrderType.SL_M: "SL-M",
}


def order_price(order: OrderView, *, is_narrow: bool = False) -> str:
    """A stop-limit shows `trigger/limit`; narrow columns keep the trigger."""
    if order.trigger_paise and order.limit_paise and not is_narrow:
        return f"{price(order.trigger_paise)}/{price(order.limit_paise)}"
    return price(order.trigger_paise or order.limit_paise)


def exit_price(exit_: ExitView) -> str:
    """`98.00/96.50` for a stop-limit, `130.00` for a target."""
    return f"{price(exit_.price_paise)}/{price(exit_.limit_paise)}" if exit_.limit_paise else price(exit_.price_paise)


def exit_home(exit_: ExitView, now_ns: int, *, is_narrow: bool = False) -> Toned:
    """Where an exit lives and what proves it: `resting trigger-pending 41s`, `watched here`, `sent 3.4s, no answer`."""
    age = since(exit_.since_ns, now_ns)
    parts = f"in {exit_.parts} orders, " if exit_.parts > 1 else ""
    match exit_.state:
        case OrderState.UNKNOWN:
            return Toned("unknown (!)" if is_narrow else f"{parts}SENT {age}, no answer: UNKNOWN", "unknown")
        case OrderState.INTENDED | OrderState.SENT as state:
            return Toned(state.value if is_narrow else f"{state.value} {age}, no reply yet", "warn")
        case OrderState.REJECTED:
            return Toned("rejected" if is_narrow else f"REJECTED {age} ago", "loss")
        case _ if not exit_.resting:
            return Toned("watched" if is_narrow else "watched here", "")
        case None:
            return Toned("resting", "")
        case state:
            return Toned("resting" if is_narrow else f"{parts}resting {state.value} {age}", "")


def doubt_words(doubt: DoubtView, now_ns: int) -> str:
    """What is being done about an unanswered order, or how its doubt ended."""
    looks = f"{doubt.looks} look-up{'' if doubt.looks == 1 else 's'}"
    if doubt.outcome:
        return f"{doubt.outcome} ({span(doubt.ended_ns - doubt.since_ns)}, {looks})"
    text = looks
    if doubt.failed_looks:
        text += f", {doubt.failed_looks} failed"
    if doubt.next_ns > now_ns:
        text += f", next {span(doubt.next_ns - now_ns)}"
    if doubt.fate_ns > now_ns:
        return f"{text}; not placed if absent in {span(doubt.fate_ns - now_ns)}"
    return f"{text}; absent once more: not placed" if doubt.fate_ns else text


def distance(price_paise: int, ltp_paise: int) -> str:
    """How far the last price is from a level: `dist 11.75 (9.9%)`; empty while there is no price."""
    if not ltp_paise or not price_paise:
        return ""
    gap = abs(price_paise - ltp_paise)
    tenths = divide_half_up(gap * 1000, ltp_paise)
    percent = f"{tenths // 10}.{tenths % 10}" if tenths < 100 else str(divide_half_up(tenths, 10))
    return f"dist {price(gap)} ({percent}%)" if gap else "dist 0.00"


def rule_words(rule: RuleView, ltp_paise: int, now_ns: int) -> str:
    """`breakeven(10%) armed at 123.65, dist 4.20 (3.5%)`: what an exit rule would do, at what level, on what."""
    if rule.trouble:
        return clean(f"{rule.rule}: {rule.trouble}")
    level = price(rule.level_paise)
    state = f"active {level}" if rule.is_active else f"arms {level}" if rule.level_paise else "waits"
    parts = [f"{rule.rule} {state}", distance(rule.level_paise, ltp_paise)]
    if rule.input_ns:
        parts.append(f"candle {since(rule.input_ns, now_ns)} old")
    return clean(", ".join(part for part in (*parts, rule.inputs) if part))


def percent_used(part_paise: int, whole_paise: int) -> int:
    """Share of a limit in whole percent, rounded up so that 100 is never claimed late."""
    return -(-max(0, part_paise) * 100 // whole_paise) if whole_paise else 0


def tail(text: str, width: int) -> str:
    """The end of an identifier, marked `..` when its head is cut: ids differ in their last letters."""
    text = clean(text)
    return text if len(text) <= width else ".." + text[len(text) - width + 2 :]


def crop(text: str, width: int) -> str:
    """The start of a text, marked `..` when cut."""
    return text if len(text) <= width else text[: max(0, width - 2)] + ".."[:width]
