"""`[accounts.NAME]`: the trading accounts and market feeds the desk may use, one table each, told apart by `kind`.

No credential stands here. A key that ends in `_name` holds the *name* of a secret: an environment variable, or a line
of the secrets file, or an entry of the system's keyring (engine/secrets.py, OPS-12).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, ClassVar, Final, Literal

import msgspec

from engine.config.key import Key
from engine.instant import NS_PER_MS
from engine.money import paise_from_rupees

# Wire addresses: facts/kite.md, facts/dhan.md, facts/xts.md, facts/openalgo.md (each §1).
_SECRET_NAME: Final = Key("OPS-12", pattern=r"[A-Z][A-Z0-9_]{2,63}", form="the NAME of a secret: capitals, digits, _")
_URL: Final = Key("OPS-05", pattern=r"https?://[^\s@/]+(/[^\s@]*)?", form="an https:// address without a login")
_WS_URL: Final = Key("OPS-05", pattern=r"wss?://[^\s@/]+(/[^\s@]*)?", form="a wss:// address without a login")
_VENUE: Final = Key(
    "OPS-05",
    pattern=r"((127\.0\.0\.1|localhost|\[::1\]):[1-9]\d{0,4})?",
    form="an address of this machine: 127.0.0.1:PORT",
)
_PATH: Final = Key("OPS-05", pattern=r"(/[A-Za-z0-9._-]+)*", form="a path like /interactive, or empty")
_PERSON: Final = Key("OPS-14", pattern=r"[A-Za-z0-9 ._-]{0,40}", form="up to 40 letters, digits, space . _ -")


class Account(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every kind has."""

    @property
    def secret_names(self) -> tuple[str, ...]:
        """The names of the secrets this account needs before it can connect."""
        return tuple(getattr(self, field) for field in self.__struct_fields__ if field.endswith("_name"))

    def secrets_for(self, *, trade: bool, market: bool) -> tuple[str, ...]:
        """Those that are needed to trade, to have its prices, or both."""
        return self.secret_names if trade or market else ()

    @property
    def login(self) -> tuple[str, ...]:
        """Names of the secrets that open the trading session; two accounts with the same one are the same. Empty when
        none is needed."""
        return self.secret_names


class RealAccount(Account, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every broker's account has."""

    rehearsal: Annotated[str, _VENUE] = ""
    """Where its venue listens when [desk] mode = "rehearsal" (`strikedesk venue KIND`); empty = the kind's own port."""
    rehearsal_port: ClassVar[int] = 0
    """The kind's own; `strikedesk venue KIND` listens there."""

    @property
    def kind_word(self) -> str:
        """`kite`, `dhan`, `openalgo`, `xts`: also the name of its venue."""
        return str(getattr(self, "kind", ""))

    @property
    def rehearsal_address(self) -> str:
        """HOST:PORT of its venue."""
        return self.rehearsal or f"127.0.0.1:{self.rehearsal_port}"


class PaperAccount(Account, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The built-in exchange. Nothing leaves the machine (LEG-61)."""

    kind: Annotated[Literal["paper"], Key("OPS-05")] = "paper"
    """A built-in exchange that fills orders against the market's ticks."""
    funds_rupees: Annotated[Decimal, Key("OPS-32", "₹", 0, 1_000_000_000)] = Decimal(500_000)
    """Money at the start of the day."""
    latency_ms: Annotated[int, Key("OPS-32", "ms", 0, 60_000)] = 50
    """From sending an order to its answer."""
    second_exit_margin: Annotated[bool, Key("OPS-32")] = False
    """Ask margin for the second resting exit of a long option, as most brokers do; the leg then turns hybrid."""
    partial_fills: Annotated[bool, Key("OPS-32")] = False
    """Fill at most what each tick's touch offers, instead of whole orders."""
    seed: Annotated[int, Key("OPS-32", low=0, high=2**32 - 1)] = 1
    """Of the demo market: the same seed makes the same day."""
    venue: Annotated[str, _VENUE] = ""
    """Address of a paper exchange in another process (`strikedesk venue paper`), which then keeps the books and makes
    the prices; empty for the one inside this program."""
    file: Annotated[str, Key("OPS-32")] = ""
    """Recorded prices (CSV) that make the market when [desk] market = "replay"."""

    @property
    def funds_paise(self) -> int:
        return paise_from_rupees(self.funds_rupees)

    @property
    def latency_ns(self) -> int:
        return self.latency_ms * NS_PER_MS


class KiteAccount(RealAccount, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Zerodha Kite Connect."""

    rehearsal_port: ClassVar[int] = 8801
    kind: Annotated[Literal["kite"], Key("OPS-05")]
    """Zerodha Kite Connect."""
    user: Annotated[str, _PERSON] = "Sai"
    """Whose account it is, for the screen (the seed's `zerodha_user`)."""
    api_key_name: Annotated[str, _SECRET_NAME] = "KITE_API_KEY"
    """Secret that holds the app's API key."""
    access_token_name: Annotated[str, _SECRET_NAME] = "KITE_ACCESS_TOKEN"
    """Secret that holds the day's access token."""
    api_url: Annotated[str, _URL] = "https://api.kite.trade"
    """Order and data address."""
    ws_url: Annotated[str, _WS_URL] = "wss://ws.kite.trade"
    """Tick and order-update address."""


class OpenAlgoAccount(RealAccount, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An OpenAlgo server, usually on this machine."""

    rehearsal_port: ClassVar[int] = 8803
    kind: Annotated[Literal["openalgo"], Key("OPS-05")]
    """An OpenAlgo server."""
    host: Annotated[str, _URL] = "http://127.0.0.1:5000"
    """Order and data address (OPENALGO_API_HOST)."""
    ws_url: Annotated[str, _WS_URL] = "ws://127.0.0.1:8765"
    """Tick address (OPENALGO_WS_URL)."""
    api_key_name: Annotated[str, _SECRET_NAME] = "OPENALGO_API_KEY"
    """Secret that holds the API key."""
    mode_expected: Annotated[Literal["live", "analyze"], Key("OPS-05")] = "analyze"
    """The mode the server must be in; a reply of the other one stops orders. `live` has to be written out: the server's
    switch is open to every client of it, and this account must not trade with money because somebody used it."""


class XtsAccount(RealAccount, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A Symphony XTS server; Findoc's by default (OPS-14)."""

    rehearsal_port: ClassVar[int] = 8804
    kind: Annotated[Literal["xts"], Key("OPS-05")]
    """A Symphony XTS server."""
    root: Annotated[str, _URL] = "https://xts.myfindoc.com"
    """Server address (the seed's `xts_root`)."""
    interactive_path: Annotated[str, _PATH] = "/interactive"
    """Where orders and books are below the root; some brokers have another prefix, or none."""
    interactive_socket_path: Annotated[str, _PATH] = "/interactive/socket.io"
    """Where order updates are streamed."""
    market_path: Annotated[str, _PATH] = "/apimarketdata"
    """Where market data is; `/apibinarymarketdata` at some brokers."""
    market_socket_path: Annotated[str, _PATH] = "/apimarketdata/socket.io"
    """Where ticks are streamed."""
    books_per_s: Annotated[int, Key("OPS-35", "1/s", 1, 10)] = 1
    """Reads of one book (orders, trades, positions) in a second; brokers set their own limits."""
    quotes_per_s: Annotated[int, Key("OPS-35", "1/s", 1, 10)] = 1
    """Quote and candle requests in a second."""
    client_id: Annotated[str, _PERSON] = ""
    """Client code; empty for the one the login answers with."""
    trade_key_name: Annotated[str, _SECRET_NAME] = "XTS_TRADE_KEY"
    """Secret that holds the interactive app's key."""
    trade_secret_name: Annotated[str, _SECRET_NAME] = "XTS_TRADE_SECRET"
    """Secret that holds the interactive app's secret."""
    market_key_name: Annotated[str, _SECRET_NAME] = "XTS_MARKET_KEY"
    """Secret that holds the market-data app's key."""
    market_secret_name: Annotated[str, _SECRET_NAME] = "XTS_MARKET_SECRET"
    """Secret that holds the market-data app's secret."""

    @property
    def login(self) -> tuple[str, ...]:
        return (self.trade_key_name, self.trade_secret_name)

    def secrets_for(self, *, trade: bool, market: bool) -> tuple[str, ...]:
        prices = (self.market_key_name, self.market_secret_name)
        return (*(self.login if trade else ()), *(prices if market else ()))


class DhanAccount(RealAccount, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """DhanHQ."""

    rehearsal_port: ClassVar[int] = 8802
    kind: Annotated[Literal["dhan"], Key("OPS-05")]
    """DhanHQ v2."""
    client_id: Annotated[str, _PERSON] = ""
    """Dhan client id."""
    access_token_name: Annotated[str, _SECRET_NAME] = "DHAN_ACCESS_TOKEN"
    """Secret that holds the day's access token."""
    api_url: Annotated[str, _URL] = "https://api.dhan.co/v2"
    """Order and data address."""
    feed_url: Annotated[str, _WS_URL] = "wss://api-feed.dhan.co"
    """Tick address."""
    order_feed_url: Annotated[str, _WS_URL] = "wss://api-order-update.dhan.co"
    """Order-update address."""
    master_url: Annotated[str, _URL] = "https://images.dhan.co/api-data/api-scrip-master.csv"
    """Where the day's instrument list lies; no credential is sent there."""


ACCOUNT_KINDS: Final[dict[str, type[Account]]] = {
    "paper": PaperAccount,
    "kite": KiteAccount,
    "openalgo": OpenAlgoAccount,
    "xts": XtsAccount,
    "dhan": DhanAccount,
}
AnyAccount = PaperAccount | KiteAccount | OpenAlgoAccount | XtsAccount | DhanAccount


def session_of(accounts: Mapping[str, Account], name: str) -> str:
    """The first account that logs in at the same kind of broker with the same secrets: one session serves both."""
    account = accounts.get(name)
    if account is None or not account.login:
        return name
    return next(
        other for other, given in accounts.items() if type(given) is type(account) and given.login == account.login
    )
