"""One traced event as one line of text, for a person who looks for what went wrong."""

from __future__ import annotations

from collections.abc import Sequence

from engine.config.errors import printable
from engine.instant import clock_text
from engine.journal.rows import INTENTS
from engine.money import rupees_text
from engine.order import Trade
from engine.port import Acked, NotSent, OrderReport, Refused, Unknown
from engine.tags import role_of
from tui.simulation.truth import Sent, Trace


def story_line(trace: Trace) -> str:
    """`10:42:07.318 exchange  SD..S SELL SL 65 filled 0 trigger-pending 96.00/95.00`."""
    return printable(f"{clock_text(trace.at_ns, decimals=3)} {trace.what:<9} {_text(trace.about)}")


def _text(about: object) -> str:
    match about:
        case OrderReport():
            terms = f"{about.side.value} {about.type.value} {about.filled_qty}/{about.qty}"
            prices = f"{rupees_text(about.limit_paise)}/{rupees_text(about.trigger_paise)}"
            state = f"{about.state.value} {about.reject_text}".rstrip()
            return f"{about.tag or 'no tag'} {about.symbol} {terms} {prices} {state}"
        case Trade():
            return f"{about.tag or 'no tag'} {about.side.value} {about.qty} at {rupees_text(about.price_paise)}"
        case Sent(request=request, change=change):
            terms = request or change
            if terms is None:
                return f"{about.op} {about.tag}"
            prices = f"{rupees_text(terms.limit_paise)}/{rupees_text(terms.trigger_paise)}"
            return f"{about.op} {about.tag} {terms.type.value} {terms.qty} {prices}"
        case (str(op), str(tag), answer):
            return f"{op} {tag}: {_answer(answer)}"
        case _:
            return str(about)


def work_text(about: object) -> str:
    """What was sent or written when the desk was killed: the kind of work, without its figures."""
    if isinstance(about, Sent):
        role = role_of(about.tag)
        return f"{about.op} {role.value if role is not None else 'order'}"
    words: dict[str, None] = {}
    if isinstance(about, Sequence):
        for rows in about:
            for table, added in rows.chained:
                for row in added:
                    values = dict(zip(table.columns, row, strict=True))
                    is_intent = table.name == INTENTS.name
                    words[f"intent to {values['op']} {values['role']}" if is_intent else table.name] = None
    return " + ".join(sorted(words)) or "state"


def _answer(answer: object) -> str:
    match answer:
        case Acked(broker_id=broker_id):
            return f"acked {broker_id}"
        case Refused(code=code, text=text):
            return f"refused {code}: {text}"
        case NotSent(reason=reason):
            return f"not sent: {reason}"
        case Unknown(reason=reason):
            return f"unknown: {reason}"
        case _:
            return str(answer)
