"""The configured grids as the desk wants them: checked against the day, seated, and given back what they remember."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from engine.config.accounts import PaperAccount
from engine.config.errors import ConfigError
from engine.config.model import Config
from engine.desk import Desk
from engine.grid.check import GridFacts, violations, warnings
from engine.grid.geometry import ladder
from engine.grid.memory import GridBody
from engine.grid.parts import GridParts
from engine.grid.record import body_of
from engine.grid.state_file import GridRecord, StateFileError
from engine.grid.terms import GridAccounts, GridTerms
from engine.grid.view import LevelWord
from engine.instrument import Instrument
from engine.journal.records import BotRow, Restored
from engine.messages import Msg
from engine.money import rupees_text

Bands = Mapping[str, tuple[int, int]]
NO_BANDS: Final[Bands] = {}
_INTRADAY_MARGIN_BPS: Final = 2_000
"""Shares within the day: five times (facts: products, margin)."""
_FULL_BPS: Final = 10_000
_UNTOUCHED: Final = (LevelWord.FRESH, LevelWord.PAUSED)


def grid_terms(config: Config, account_ids: Mapping[str, str]) -> dict[str, GridTerms]:
    """By bot, in the accounts that were really opened; `account_ids` by their names."""
    found: dict[str, GridTerms] = {}
    for grid in config.grids:
        terms = config.grid_terms(grid)
        roles = {role: account_ids.get(getattr(terms.accounts, role), "") for role in terms.accounts.__struct_fields__}
        found[grid.bot_name] = msgspec.structs.replace(terms, accounts=GridAccounts(**roles))
    return found


def tokens(config: Config) -> dict[str, str]:
    """Every symbol that a grid trades, and the grid's name."""
    return {
        symbol: grid.bot_name
        for grid in config.grids
        for symbol in (grid.token_a_symbol, grid.token_b_symbol if grid.trade_type.is_hedged else "")
        if symbol
    }


def grid_parts(config: Config, account_ids: Mapping[str, str]) -> tuple[GridParts, ...]:
    """In the order of the file."""
    return tuple(GridParts(terms=terms) for terms in grid_terms(config, account_ids).values())


class GridSeating:
    """What is held against the day before anything is sent, and what the journal or a file says of each grid."""

    def __init__(
        self,
        config: Config,
        account_ids: Mapping[str, str],
        instruments: Mapping[str, Instrument],
        bands: Bands,
        imported: GridRecord | None = None,
    ) -> None:
        self._config = config
        self._terms = grid_terms(config, account_ids)
        self._instruments = instruments
        self._bands = bands
        self._imported = imported
        self.notes: list[tuple[str, str]] = []
        """(grid, what may be meant but surprises), for the log."""

    def refuse(self, restored: Restored) -> None:
        """Raises ConfigError with one line for each fault, before anything is sent (GRD-62)."""
        known = {row.bot for row in restored.bots}
        faults: list[str] = []
        for grid in self._config.grids:
            terms = self._config.grid_terms(grid)
            token_a, token_b = (self._instruments.get(symbol) for symbol in (terms.token_a, terms.token_b))
            facts = self._facts(terms, is_fresh=grid.bot_name not in known)
            found = violations(terms, token_a, token_b if terms.is_hedged else None, facts)
            faults += [f'grid "{grid.bot_name}": {fault.text}' for fault in found]
            if not found:
                tick = token_a.tick_paise if token_a is not None else 1
                self.notes += [(grid.bot_name, warning.text) for warning in warnings(terms, tick, facts)]
        if faults:
            raise ConfigError(faults)

    def _facts(self, terms: GridTerms, *, is_fresh: bool) -> GridFacts:
        """The day's facts are for a grid that begins: one that holds something is never kept from looking after it."""
        if not is_fresh:
            return GridFacts()
        accounts = {name: self._config.accounts[name] for name in terms.accounts.all if name in self._config.accounts}
        funds = {name: account.funds_paise for name, account in accounts.items() if isinstance(account, PaperAccount)}
        return GridFacts(
            band_a=self._bands.get(terms.token_a, (0, 0)),
            band_b=self._bands.get(terms.token_b, (0, 0)),
            free_paise=funds,
            margin_bps=_INTRADAY_MARGIN_BPS if terms.product == "MIS" else _FULL_BPS,
        )

    def remembered(self, restored: Restored) -> Restored:
        """The journal's rows, with an imported state as that of a grid which it does not know, and without ladders that
        the configuration has changed. Raises ConfigError, with what `refuse` says first."""
        self.refuse(restored)
        rows = {row.bot: row for row in restored.bots}
        open_bots = {row.bot for row in restored.brackets}
        for name, terms in self._terms.items():
            tick = self._instruments[terms.token_a].tick_paise
            if self._imported is not None and self._imported.bot_name == name:
                rows[name] = self._import(self._imported, terms, tick, is_known=name in rows)
            elif name in rows:
                rows[name] = self._relaid(rows[name], terms, tick, is_open=name in open_bots)
        return msgspec.structs.replace(restored, bots=tuple(rows.values()))

    def _import(self, record: GridRecord, terms: GridTerms, tick: int, *, is_known: bool) -> BotRow:
        if is_known:
            raise ConfigError(
                [f'--import: this journal knows a grid "{terms.bot}" already; name another --db, or another --bot-name']
            )
        try:
            body = body_of(record, terms, tick)
        except StateFileError as error:
            raise ConfigError([f"--import: {error}"]) from None
        self.notes += [(terms.bot, f"{level.label}: {level.note}") for level in body.levels if level.note]
        ids = [order for row in record.open_orders for order in (row.entry_order_id, row.oco_order_id) if order]
        if ids:
            text = f"{len(ids)} order id(s) of the file are another program's: cancel what of them still rests"
            self.notes.append((terms.bot, f"{text} ({', '.join(ids[:10])})"))
        return BotRow(bot=terms.bot, account=terms.accounts.trade, body=msgspec.json.encode(body))

    def _relaid(self, row: BotRow, terms: GridTerms, tick: int, *, is_open: bool) -> BotRow:
        """A ladder that was changed in the configuration is laid anew while nothing is on it, else refused."""
        body = msgspec.json.decode(row.body, type=GridBody)
        if not body.levels:
            return row
        centre = terms.entry_paise or body.centre_paise
        wanted = {(rung.side, rung.index, rung.entry_paise, rung.target_paise, rung.qty)
                  for rung in ladder(terms, centre, tick)}  # fmt: skip
        stored = {(level.side, level.index, level.entry_paise, level.target_paise, level.qty) for level in body.levels}
        if wanted == stored:
            return row
        if is_open or any(level.state not in _UNTOUCHED for level in body.levels):
            where = f"{len(stored)} levels round {rupees_text(body.centre_paise)}"
            raise ConfigError(
                [
                    f'grid "{terms.bot}": its prices or quantities (entry_price, steps, spread ...) were changed, and '
                    f"the journal holds {where} in use; undo the change, or give the new grid another bot_name"
                ]
            )
        self.notes.append((terms.bot, "its ladder was changed and is laid anew: nothing was on the old one"))
        body.levels, body.centre_paise = [], 0
        return BotRow(bot=row.bot, account=row.account, body=msgspec.json.encode(body))

    def say(self, desk: Desk) -> None:
        """The start lines of every grid: what it trades where, and what its owner should look at."""
        for name, terms in self._terms.items():
            accounts = f"trade {terms.accounts.trade}"
            if terms.is_hedged:
                accounts += f", upside OCO {terms.accounts.upside_oco or '-'}, "
                accounts += f"downside OCO {terms.accounts.downside_oco or '-'}"
            symbols = f"{terms.token_a} hedged by {terms.token_b}" if terms.is_hedged else terms.token_a
            desk.say(Msg.DESK, source=name, text=f"grid {terms.trade_type.value} on {symbols}; accounts: {accounts}")
        for name, text in self.notes:
            desk.say(Msg.DESK_WARN, source=name, text=text)
