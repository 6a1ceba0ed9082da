"""`strikedesk doctor`: looks at everything a trading day needs, one line each, and says what to do about what is wrong.

Nothing is sent to an order address and no journal is written. A broker whose account a running desk holds is not logged
into a second time: at some brokers that would end the desk's own session.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import Final

import msgspec

from engine.clock import LoopClock
from engine.config.accounts import RealAccount, session_of
from engine.config.load import Loaded, load
from engine.instant import clock_text, ist_date
from engine.paths import places
from engine.port_reads import BrokerSession, SessionRefused
from engine.secrets import Redactions, Secrets
from engine.session import Calendar, SessionClass
from engine.single_instance import AlreadyRunning, InstanceLock, account_lock_path
from engine.venue_rules import VenueRules
from tui.files import DeskFiles
from tui.guardian_files import login_name

_FREE_MB_MIN: Final = 200
_COMMIT_MS_SLOW: Final = 20.0
_OPEN_S: Final = 30.0
_CLOCK_NOTE_S: Final = 1.0
_CLOCK_FAIL_S: Final = 5.0
"""The engine takes a tick so far ahead for one of the future, and acts on none of them."""


class Word(StrEnum):
    OK = "ok"
    NOTE = "note"
    FAIL = "FAIL"


class Finding(msgspec.Struct, frozen=True):
    """One line: what was looked at, how it is, and what to do."""

    what: str
    word: Word
    text: str
    remedy: str = ""


def run_doctor(arguments: argparse.Namespace) -> int:
    """Exit code 0 when nothing fails, 1 otherwise. Raises ConfigError for a configuration that cannot be read."""
    loaded = load(arguments.config, os.environ, env_file=arguments.env_file)
    doctor = Doctor(loaded, DeskFiles.of(loaded.config, places(os.environ), arguments.db))
    failed = False
    for finding in doctor.findings(online=not arguments.offline):
        failed |= finding.word is Word.FAIL
        _print(f"{finding.word.value:5} {finding.what:14} {finding.text}")
        if finding.remedy:
            _print(f"{'':20} -> {finding.remedy}")
    return 1 if failed else 0


class Doctor:
    """The checks, in the order in which a start needs them."""

    def __init__(self, loaded: Loaded, files: DeskFiles) -> None:
        self._loaded = loaded
        self._config = loaded.config
        self._files = files
        self._secrets = Secrets(loaded.env, files.secrets, Redactions())

    def findings(self, *, online: bool) -> Iterator[Finding]:
        where = str(self._loaded.path or "built-in defaults")
        yield Finding("config", Word.OK, f"{where}: mode {self._config.desk.mode.value}")
        for note in self._loaded.notes:
            yield Finding("config", Word.NOTE, note)
        yield self._calendar()
        yield self._clock()
        yield from self._disk()
        yield from self._credentials()
        for name in self._logins():
            yield from asyncio.run(self._broker(name)) if online else ()

    def _calendar(self) -> Finding:
        trader_rows = self._files.calendar if self._files.calendar.exists() else None
        calendar, today = Calendar.load(trader_rows), ist_date(time.time_ns())
        found = calendar.trading_day(today)
        if found is None:
            return Finding("calendar", Word.NOTE, f"{today:%a %d %b %Y}: {calendar.why_closed(today)}")
        kind = SessionClass.OPTIONS
        hours = f"{clock_text(found.open_ns(kind))[:5]} to {clock_text(found.close_ns(kind))[:5]}"
        return Finding("calendar", Word.OK, f"{today:%a %d %b %Y}: index options trade {hours} IST")

    def _clock(self) -> Finding:
        now = time.time()
        here = datetime.fromtimestamp(now).astimezone()
        if not 2026 <= here.year < 2100:
            return Finding("clock", Word.FAIL, f"the machine says {here:%Y-%m-%d}", "set the clock; NTP keeps it right")
        return Finding("clock", Word.OK, f"{clock_text(round(now * 1e9))} IST; the machine's zone is {here:%Z}")

    def _disk(self) -> Iterator[Finding]:
        folder = self._files.journal.parent
        there = next(path for path in (folder, *folder.parents) if path.exists())
        free_mb = shutil.disk_usage(there).free // 2**20
        if free_mb < _FREE_MB_MIN:
            yield Finding("disk", Word.FAIL, f"{free_mb} MB free in {there}", f"free at least {_FREE_MB_MIN} MB")
        try:
            took_ms = _commit_ms(there)
        except OSError as error:
            why = error.strerror or str(error)
            yield Finding(
                "disk", Word.FAIL, f"{there} cannot be written: {why}", "the journal must lie where you may write"
            )
            return
        word = Word.OK if took_ms < _COMMIT_MS_SLOW else Word.NOTE
        remedy = (
            "" if word is Word.OK else "every order waits for one of these: a local disk is better than a network one"
        )
        yield Finding("disk", word, f"{free_mb} MB free in {there}; one durable write {took_ms:.1f} ms", remedy)

    def _credentials(self) -> Iterator[Finding]:
        if self._config.is_rehearsal:
            yield Finding("credentials", Word.OK, "a rehearsal needs none")
            return
        for name in self._logins():
            for secret in self._config.accounts[name].secret_names:
                where = self._secrets.where(secret)
                if where == "missing":
                    remedy = f"set {secret}, put it into {self._files.secrets} (chmod 600), or: strikedesk login {name}"
                    yield Finding("credentials", Word.FAIL, f"accounts.{name}: {secret} is nowhere", remedy)
                else:
                    yield Finding("credentials", Word.OK, f"accounts.{name}: {secret} from {where}")

    def _logins(self) -> list[str]:
        """The real accounts that this desk uses, each login once."""
        config = self._config
        used = [*config.account_names, *([config.feed_account] if config.feed_account else [])]
        real = [name for name in used if isinstance(config.accounts[name], RealAccount)]
        return list(dict.fromkeys(session_of(config.accounts, name) for name in real))

    async def _broker(self, name: str) -> list[Finding]:
        terms = self._config.accounts[name]
        assert isinstance(terms, RealAccount), "chosen so"
        lock = account_lock_path(self._files.state_dir, login_name(self._config, name))
        if _is_held(lock):
            return [Finding("broker", Word.NOTE, f"{name}: a running desk is logged in; not a second time")]
        found = [finding async for finding in _clock_beside(name, terms, rehearsal=self._config.is_rehearsal)]
        return [*found, *await self._login(name, terms)]

    async def _login(self, name: str, terms: RealAccount) -> list[Finding]:
        said: list[str] = []
        try:
            session = self._session(terms, said.append)
            async with asyncio.timeout(_OPEN_S):
                await session.open()
        except (SessionRefused, TimeoutError) as refusal:
            why = str(refusal) or f"no answer within {_OPEN_S:g} s"
            return [Finding("broker", Word.FAIL, f"{name}: {why}", _remedy(terms, rehearsal=self._config.is_rehearsal))]
        try:
            return [*_state_of(name, session), *(Finding("broker", Word.NOTE, text) for text in said)]
        finally:
            await session.close()

    def _session(self, terms: RealAccount, note: Callable[[str], None]) -> BrokerSession:
        from brokers.wire.tools import SessionTools
        from tui.broker_sessions import make_session
        from tui.rehearsal import rehearsal_secret, rehearsed

        clock = LoopClock.wall(asyncio.get_running_loop())
        tools = SessionTools(clock=clock, random=Random(), note=note)
        if self._config.is_rehearsal:
            return make_session(rehearsed(terms, terms.rehearsal_address), rehearsal_secret, tools)
        return make_session(terms, lambda secret: self._secrets.require(secret).reveal(), tools)


async def _clock_beside(name: str, terms: RealAccount, *, rehearsal: bool) -> AsyncIterator[Finding]:
    """Nothing when the broker cannot be asked: the login says why. A rehearsal has its venue's clock."""
    if rehearsal:
        return
    from tui.clock_check import seconds_ahead, server_of

    ahead_s = await seconds_ahead(server_of(terms))
    if ahead_s is None:
        return
    if abs(ahead_s) < _CLOCK_NOTE_S:
        yield Finding("clock", Word.OK, f"{name}: the machine's clock is the broker's, to a second")
        return
    word = Word.FAIL if abs(ahead_s) >= _CLOCK_FAIL_S else Word.NOTE
    text = f"{name}: the machine's clock is {abs(ahead_s):.0f} s {'ahead of' if ahead_s > 0 else 'behind'} the broker's"
    yield Finding("clock", word, text, "let NTP set the clock: prices would pass for old or future ones")


def _state_of(name: str, session: BrokerSession) -> Iterator[Finding]:
    state, rules = session.state, session.account.rules
    ends = f", the login ends {clock_text(state.expires_ns)[:5]}" if state.expires_ns else ""
    yield Finding("broker", Word.OK, f"{name}: logged in{ends}")
    if state.may_trade is False:
        remedy = "register this machine's address with the broker, or ask for the permission"
        yield Finding("orders", Word.FAIL, f"{name}: {state.reason}", remedy)
    elif state.may_trade is None:
        yield Finding("orders", Word.NOTE, f"{name}: only a first order proves that orders are taken from here")
    else:
        yield Finding("orders", Word.OK, f"{name}: orders are taken from here")
    yield Finding("capabilities", Word.OK, f"{name}: {capability_words(rules)}")


def capability_words(rules: VenueRules) -> str:
    """One broker's row of capabilities in words."""
    parts = [
        f"{rules.orders_per_s} orders/s, {rules.orders_per_min}/min",
        f"{rules.modifies_per_order} changes an order",
        f"tag of {rules.tag_max} characters"
        if rules.carries_tag
        else "carries no tag: orders are found by what was sent",
        "pushes order updates" if rules.pushes_orders else "pushes no order updates: polled",
        f"own bracket: {rules.native_exits}" if rules.native_exits else "no bracket of its own",
    ]
    return "; ".join(parts)


def _remedy(terms: RealAccount, *, rehearsal: bool) -> str:
    if rehearsal:
        port = terms.rehearsal_address.rpartition(":")[2]
        return f"start its venue: strikedesk venue {terms.kind_word} --port {port}"
    return f"look at the credentials, or log in: strikedesk login {terms.kind_word}"


def _is_held(path: Path) -> bool:
    if not path.exists():
        return False
    try:
        with InstanceLock.acquire(path, "doctor"):
            return False
    except AlreadyRunning:
        return True


def _commit_ms(folder: Path) -> float:
    """How long one small durable write takes there, in milliseconds. Raises OSError."""
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"x" * 4096)
        began = time.perf_counter()
        file.flush()
        os.fsync(file.fileno())
        return (time.perf_counter() - began) * 1000


def _print(text: str) -> None:
    print(text)  # noqa: T201 - requested data goes to stdout
