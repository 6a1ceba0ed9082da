"""`--faults`: makes the paper demo's venue misbehave, by a script or by a seed, and puts the layer around it.

A file name is a script, `swarm` and `hostile` are drawn from `--seed`. Drawn faults end at 14:30 of the first day, so
that its last hour shows everything coming to rest.
"""

from __future__ import annotations

import argparse
from datetime import time
from pathlib import Path
from typing import Final

from brokers.paper.account import PaperAccount
from brokers.paper.exchange import PaperExchange
from brokers.paper.faults.account import FaultyAccount
from brokers.paper.faults.hand import Hand
from brokers.paper.faults.market import FaultyMarket
from brokers.paper.faults.plan import FaultPlan, Profile
from brokers.paper.faults.script import FaultScriptError, Script, load_script
from engine.config.errors import ConfigError
from engine.config.load import Loaded
from engine.config.model import Config, Mode
from engine.instant import at_ist, ist_date
from engine.port import Clock, MarketPort

_QUIET_FROM: Final = time(14, 30)
_SEEDED: Final = {profile.value: profile for profile in (Profile.SWARM, Profile.HOSTILE)}


class FaultsOption:
    """What the person asked for, before the day is known."""

    def __init__(self, words: str) -> None:
        """Raises ConfigError, one line for each mistake of a script."""
        self._profile = _SEEDED.get(words)
        self._script: Script | None = None
        if self._profile is None:
            try:
                self._script = load_script(Path(words))
            except FaultScriptError as error:
                lines = str(error).splitlines()
                if not Path(words).exists():
                    lines = [f"--faults {words}: a script file, or one of {', '.join(_SEEDED)}; no such file"]
                raise ConfigError(lines) from None

    def plan(self, seed: int, open_ns: int) -> FaultPlan:
        """The faults of the session that opens at `open_ns`; the same again after a restart."""
        day = ist_date(open_ns)
        if self._script is not None:
            return self._script.plan(day)
        assert self._profile is not None
        return FaultPlan.of_seed(seed, profile=self._profile, start_ns=open_ns, end_ns=at_ist(day, _QUIET_FROM))


def read_faults_option(arguments: argparse.Namespace) -> FaultsOption | None:
    """The option of the command line. Raises ConfigError."""
    words: str | None = getattr(arguments, "faults", None)
    return None if words is None else FaultsOption(words)


def demo_mode(loaded: Loaded, faults: FaultsOption | None) -> str:
    """The mode in words, on screen and in the journal. Raises ConfigError: a real account has faults enough."""
    config = loaded.config
    if config.desk.mode is Mode.PAPER and not config.feed_account:
        return "PAPER DEMO" if faults is None else "PAPER DEMO, FAULTS"
    if faults is not None:
        raise ConfigError(["--faults makes the paper demo misbehave; a broker's venue has the option itself"])
    return mode_words(config)


def mode_words(config: Config) -> str:
    """The mode of a desk without faults, as the top line says it."""
    if config.is_live:
        return "LIVE"
    if config.is_rehearsal:
        return "REHEARSAL"
    return f"PAPER ON {config.feed_account.upper()}" if config.feed_account else "PAPER DEMO"


class DemoFaults:
    """The layer around one demo: built between the market and the desk, started with it."""

    def __init__(self, plan: FaultPlan, exchange: PaperExchange, clock: Clock) -> None:
        self.plan = plan
        self._exchange = exchange
        self._clock = clock
        self._hand: Hand | None = None

    def market(self, inner: MarketPort) -> FaultyMarket:
        """The feed for the desk; the exchange goes on seeing the truth."""
        feed = FaultyMarket(inner, self._clock, self.plan)
        feed.listen_truth(self._exchange.on_tick)
        return feed

    def account(self, inner: PaperAccount) -> FaultyAccount:
        self._hand = Hand(self._exchange, inner.account_id, self._clock, self.plan)
        return FaultyAccount(inner, self._clock, self.plan)

    def start(self) -> None:
        """From now on people act too."""
        if self._hand is not None:
            self._hand.start()

    def summary(self) -> str:
        """What struck, by fault."""
        fired = sorted(self.plan.fired.items())
        return f"faults: {', '.join(f'{fault} {count}' for fault, count in fired) or 'none struck'}"
