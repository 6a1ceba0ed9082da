"""Opens a login at a broker from its table in the configuration; a package is loaded only when its broker is used."""

from __future__ import annotations

from collections.abc import Callable

from brokers.wire.tools import SessionTools
from engine.config.accounts import Account, DhanAccount, KiteAccount, OpenAlgoAccount, XtsAccount
from engine.port_reads import BrokerSession


def make_session(terms: Account, reveal: Callable[[str], str], tools: SessionTools) -> BrokerSession:
    """Not opened yet. `reveal` gives a secret's value by its name, at the moment when it goes on the wire.

    Raises ValueError for a kind that has no login.
    """
    match terms:
        case KiteAccount():
            from brokers.kite.session import KiteSession

            return KiteSession(terms, reveal, tools)
        case DhanAccount():
            from brokers.dhan.session import DhanSession

            return DhanSession(terms, reveal, tools)
        case OpenAlgoAccount():
            from brokers.openalgo.session import OpenAlgoSession

            return OpenAlgoSession(terms, reveal, tools)
        case XtsAccount():
            from brokers.xts.session import XtsSession

            return XtsSession(terms, reveal, tools)
        case _:
            raise ValueError(f"{type(terms).__name__}: no broker with a login")
