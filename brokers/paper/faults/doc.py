"""Writes docs/faults.md from the catalogue: `python -m brokers.paper.faults.doc`. A test compares the page with it."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from brokers.paper.faults.catalogue import BEYOND, FAULTS, KNOBS
from brokers.paper.faults.knob import Knob, Shape

_GROUPS = {
    "ORD": "Order requests: did it happen?",
    "UPD": "Updates and fills",
    "EXI": "Exits and square-off",
    "REJ": "Refusals",
    "MKT": "Market data",
    "NET": "Channels and sessions",
    "TIM": "Time",
    "STO": "Journal and storage",
    "PRC": "Process and screen",
    "HUM": "People at the exchange",
    "REF": "Instruments of the day",
    "CFG": "Configuration",
    "SEC": "Texts and secrets",
}
_INTRO = """\
# Faults of the paper venue

Written from the code (`make docs`); do not edit.

The paper exchange can be made to misbehave, to see what the desk does about it:

    strikedesk --faults docs/faults/lost-stop.toml      exactly these faults
    strikedesk --faults swarm --seed 7                  drawn from a seed: each fault off, or on at its own rate
    strikedesk --faults hostile --seed 7                the same, three times as bad

The screen then says PAPER DEMO, FAULTS. Only the paper venue can be made to; a real account refuses the option. Seeded
faults end at 14:30, so that the last hour of the day shows everything coming to rest.

A script is a TOML file of `[[fault]]` entries:

| key | meaning |
|---|---|
| `knob` | one of the spellings below |
| `at` | time of day, `"10:15"` or `"10:15:30"` (IST); not given = from the start |
| `for_s` | seconds it lasts, stays armed or waits for its chance; not given = to the end of the day |
| `nth`, `times` | *single* faults: from which opportunity on (1), and how many in a row (1) |
| `role` | only orders of this role: entry, target, stop, exit, repair |
| `symbol` | only this contract |
| `door` | only this way in, for knobs with several: `order_update`, `trade_update`, `place`, `cancel` ... |
| `delay_s` | for what comes late: how late |
| `amount`, `code`, `text` | the number a knob takes, the code of a refusal, what the broker says |

`ambiguity_s` above the entries is how long an unanswered order may still arrive (45).

*single* strikes one opportunity, *span* everything while it lasts, *deed* is done once at its time or as soon after as
there is something to do it to. The number in brackets is the default of `amount`.
"""
_KIND = {Shape.ONCE: "single", Shape.SPAN: "span", Shape.DEED: "deed"}


def page() -> str:
    """The whole page."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield _INTRO
    for group, title in _GROUPS.items():
        knobs = sorted((knob for knob in KNOBS.values() if knob.fault.startswith(group)), key=lambda knob: knob.fault)
        if not knobs:
            continue
        yield f"## {group}: {title}\n"
        yield "| fault | knob | what happens | kind | by seed |"
        yield "|---|---|---|---|---|"
        yield from (_row(knob) for knob in knobs)
        yield ""
    yield "## Made elsewhere\n"
    yield f"The catalogue has {len(FAULTS) + len(BEYOND)} faults; this layer makes {len(FAULTS)}. The others:\n"
    yield "| faults | why not here |"
    yield "|---|---|"
    for reason in dict.fromkeys(BEYOND.values()):
        yield f"| {' '.join(fault for fault, why in BEYOND.items() if why == reason)} | {reason} |"
    yield ""


def _row(knob: Knob) -> str:
    amount = f" ({knob.amount_is}: {knob.amount})" if knob.amount_is else ""
    kind = _KIND[knob.shape]
    return f"| {knob.fault} | `{knob.knob}` | {knob.says[:-1]}{amount} | {kind} | {_by_seed(knob)} |"


def _by_seed(knob: Knob) -> str:
    if knob.shape is Shape.ONCE:
        return f"up to {knob.ceiling_bps / 100:g} %" if knob.ceiling_bps else "script only"
    return f"up to {knob.per_day} a day" if knob.per_day else "script only"


if __name__ == "__main__":
    sys.stdout.write(page())
