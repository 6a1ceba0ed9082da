"""Reads option symbols in the OpenAlgo and the Kite form, and swaps PE and CE without changing the form (LEG-01).

A symbol is an option only when underlying, date, strike and type can all be read; a bare PE/CE suffix proves nothing
(BUG-01: `RELIANCE` ends in CE). The forms, from facts/market.md §4:

    OpenAlgo      BASE DDMMMYY strike type     NIFTY28OCT2525300PE   VEDL25APR24292.5CE
    Kite weekly   BASE YY M DD strike type     NIFTY2631724000CE     M is 1-9, O, N or D
    Kite monthly  BASE YY MMM strike type      NIFTY26NOV25300PE     the day is not in the symbol

The first and the last overlap: `NIFTY26NOV25300PE` could be 26 Nov 2025, strike 300. `parse_option_symbol` says how it
decides; an adapter that knows its broker's form passes it and leaves nothing to decide.
"""

from __future__ import annotations

import re
from datetime import date
from enum import StrEnum
from typing import Final

import msgspec

from engine.instrument import OptionType
from engine.money import PAISE_PER_RUPEE, paise_from_rupees


class SymbolForm(StrEnum):
    OPENALGO = "openalgo"
    KITE_WEEKLY = "kite_weekly"
    KITE_MONTHLY = "kite_monthly"


class OptionSymbol(msgspec.Struct, frozen=True, kw_only=True):
    """One option symbol, read."""

    text: str
    """Trimmed and upper-cased."""
    form: SymbolForm
    underlying: str
    year: int
    month: int
    expiry: date | None
    """The day; None in the monthly form, whose day only the instrument master knows."""
    strike_paise: int
    option_type: OptionType

    @property
    def complement(self) -> str:
        """The same contract with PE and CE swapped, in the same form."""
        return self.text[:-2] + self.option_type.other.value


_MAX_LENGTH: Final = 40
# Two-digit years outside this range are digits of a strike (SENSEX26NOV102500PE is no contract of 2010).
_FIRST_YEAR: Final = 2020
_LAST_YEAR: Final = 2049
# Sanity bounds that tell the two readings of an overlapping symbol apart, in paise. No index option has a strike below
# 1,000; none of any kind above 2,00,000 (SENSEX about 85,000, MRF about 1,50,000 in 2026).
_INDEX_STRIKE_MIN_PAISE: Final = 1_000 * PAISE_PER_RUPEE
_STRIKE_MAX_PAISE: Final = 200_000 * PAISE_PER_RUPEE
_INDEX_NAME: Final = re.compile(r"(?:[A-Z]*NIFTY[A-Z0-9]*|SENSEX[0-9]*|BANKEX)", re.ASCII)

_MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_MONTH_NUMBER: Final = {name: number for number, name in enumerate(_MONTHS, start=1)}
_WEEKLY_MONTH: Final = {letter: number for number, letter in enumerate("123456789OND", start=1)}

_MMM: Final = "|".join(_MONTHS)
# An underlying may hold digits (NIFTYNXT50, 360ONE) and & or - (M&M, BAJAJ-AUTO), but always a letter.
_BASE: Final = re.compile(r"(?=[0-9&-]*[A-Z])[A-Z0-9][A-Z0-9&-]*")
_STRIKE_AND_TYPE: Final = r"(?P<strike>[1-9][0-9]*(?:\.[0-9]{1,2})?)(?P<type>PE|CE)"
_TAILS: Final = {
    SymbolForm.OPENALGO: re.compile(rf"(?P<dd>[0-9]{{2}})(?P<month>{_MMM})(?P<yy>[0-9]{{2}}){_STRIKE_AND_TYPE}"),
    SymbolForm.KITE_WEEKLY: re.compile(rf"(?P<yy>[0-9]{{2}})(?P<month>[1-9OND])(?P<dd>[0-9]{{2}}){_STRIKE_AND_TYPE}"),
    SymbolForm.KITE_MONTHLY: re.compile(rf"(?P<yy>[0-9]{{2}})(?P<month>{_MMM}){_STRIKE_AND_TYPE}"),
}


def parse_option_symbol(text: str, *, form: SymbolForm | None = None) -> OptionSymbol | None:
    """The option that `text` names, or None when it names none (LEG-01). Never raises.

    Without `form` every form is tried and readings with an impossible date, a year outside 2020..2049 or a strike out
    of bounds are dropped; of what remains, the OpenAlgo form comes first (its date is in the symbol) and Kite's monthly
    form last. Index symbols are thereby decided without doubt; a stock's `TCS26NOV3020PE` is not (strike 20 or 3,020),
    so pass the form when the broker is known.
    """
    symbol = text.strip().upper()
    if len(symbol) > _MAX_LENGTH:
        return None
    for candidate in SymbolForm if form is None else (form,):
        # The shortest underlying first: NIFTY|26|3|17|24350 and not NIFTY26|31|7|24|350.
        for cut in range(1, len(symbol)):
            match = _TAILS[candidate].fullmatch(symbol, cut)
            if match is None or _BASE.fullmatch(symbol, 0, cut) is None:
                continue
            reading = _reading(symbol, candidate, symbol[:cut], match)
            if reading is not None:
                return reading
    return None


def option_name(underlying: str, expiry: date, strike_paise: int, option_type: OptionType) -> str:
    """This desk's name of a contract, whatever its broker calls it: the OpenAlgo form, NIFTY01DEC2624500PE."""
    rupees, paise = divmod(strike_paise, PAISE_PER_RUPEE)
    strike = f"{rupees}.{paise:02d}".rstrip("0") if paise else str(rupees)
    month = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")[expiry.month - 1]
    return f"{underlying}{expiry.day:02d}{month}{expiry.year % 100:02d}{strike}{option_type.value}"


def complement(text: str) -> str | None:
    """The other leg's symbol, same form, PE and CE swapped; None when `text` is no option (LEG-01, BUG-01)."""
    parsed = parse_option_symbol(text)
    return None if parsed is None else parsed.complement


def leg_symbols(primary: str) -> tuple[str, str] | None:
    """(primary, secondary): the configured symbol, then its complement, in that order (LEG-02). None: no option."""
    parsed = parse_option_symbol(primary)
    return None if parsed is None else (parsed.text, parsed.complement)


def is_index_name(underlying: str) -> bool:
    """True for the index families of NSE and BSE: names built on NIFTY, SENSEX or BANKEX."""
    return _INDEX_NAME.fullmatch(underlying) is not None


def _reading(symbol: str, form: SymbolForm, underlying: str, match: re.Match[str]) -> OptionSymbol | None:
    groups = match.groupdict()
    year = 2000 + int(groups["yy"])
    month = (_WEEKLY_MONTH if form is SymbolForm.KITE_WEEKLY else _MONTH_NUMBER)[groups["month"]]
    strike_paise = paise_from_rupees(groups["strike"])
    if not _FIRST_YEAR <= year <= _LAST_YEAR or not _is_plausible_strike(underlying, strike_paise):
        return None
    try:
        expiry = None if form is SymbolForm.KITE_MONTHLY else date(year, month, int(groups["dd"]))
    except ValueError:
        return None
    return OptionSymbol(
        text=symbol,
        form=form,
        underlying=underlying,
        year=year,
        month=month,
        expiry=expiry,
        strike_paise=strike_paise,
        option_type=OptionType(groups["type"]),
    )


def _is_plausible_strike(underlying: str, strike_paise: int) -> bool:
    floor_paise = _INDEX_STRIKE_MIN_PAISE if is_index_name(underlying) else 1
    return floor_paise <= strike_paise <= _STRIKE_MAX_PAISE
