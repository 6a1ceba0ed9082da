"""`strikedesk login NAME`: the broker's daily login, its token put where the desk looks for it, and never shown.

Kite and Dhan give a token for the day, in exchange for something from the browser; it is written into the secrets file,
which only its owner may read, or into the system's keyring. XTS logs in with its keys at every start, and OpenAlgo is
logged in on its own page: for them the command says so.
"""

from __future__ import annotations

import argparse
import asyncio
import getpass
import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from engine.config.accounts import DhanAccount, KiteAccount, OpenAlgoAccount, RealAccount
from engine.config.env_file import parse_env_text
from engine.config.errors import ConfigError
from engine.config.load import Loaded, load
from engine.paths import places
from engine.port_reads import SessionRefused
from engine.secrets import KEYRING_SERVICE, Redactions, Secrets, read_private
from tui.files import DeskFiles
from tui.start_failure import StartFailed
from tui.whole_file import write_whole

_KITE_SECRET: Final = "KITE_API_SECRET"
_DHAN_PIN: Final = "DHAN_PIN"
_DHAN_TOTP: Final = "DHAN_TOTP_SECRET"
_DHAN_APP: Final = "DHAN_APP_ID"
_DHAN_APP_SECRET: Final = "DHAN_APP_SECRET"
_MODE: Final = 0o600
_TRIES: Final = 3


def run_login(arguments: argparse.Namespace) -> int:
    """Exit code 0 when the login works. Raises ConfigError, SecretMissing and StartFailed."""
    loaded = load(arguments.config, os.environ, env_file=arguments.env_file)
    name, terms = _account(loaded, arguments.account)
    files = DeskFiles.of(loaded.config, places(os.environ), arguments.db)
    secrets = Secrets(loaded.env, files.secrets, Redactions())
    match terms:
        case KiteAccount():
            token = asyncio.run(_kite(terms, secrets))
            _store(terms.access_token_name, token, files.secrets, into_keyring=arguments.keyring)
        case DhanAccount():
            token = asyncio.run(_dhan(terms, secrets))
            _store(terms.access_token_name, token, files.secrets, into_keyring=arguments.keyring)
        case OpenAlgoAccount():
            from brokers.openalgo.login import steps

            for step in steps(terms.host, terms.api_key_name):
                _say(step)
        case _:
            _say(f"{terms.kind_word} logs in with its keys at every start: nothing to fetch")
    _say(f"try it: strikedesk doctor  (account {name})")
    return 0


def _account(loaded: Loaded, asked: str) -> tuple[str, RealAccount]:
    """The account of this name, or the only one of this kind. Raises ConfigError."""
    accounts = {name: terms for name, terms in loaded.config.accounts.items() if isinstance(terms, RealAccount)}
    if asked in accounts:
        return asked, accounts[asked]
    of_kind = [(name, terms) for name, terms in accounts.items() if terms.kind_word == asked]
    if len(of_kind) == 1:
        return of_kind[0]
    if not of_kind and asked == "kite":
        return "kite", KiteAccount(kind="kite")
    if not of_kind and asked == "dhan":
        return "dhan", DhanAccount(kind="dhan")
    known = ", ".join(accounts) or "none"
    raise ConfigError([f"login {asked}: no such account; the configuration has {known}"])


async def _kite(terms: KiteAccount, secrets: Secrets) -> str:
    from brokers.kite.login import exchange, login_url, request_token_of
    from brokers.wire.http import HttpLink

    key, secret = secrets.require(terms.api_key_name).reveal(), secrets.require(_KITE_SECRET).reveal()
    _say("open this page in a browser and log in; you end at an address of your app:")
    _say(f"  {login_url(key)}")
    request_token = _asked("paste that whole address (or its request_token): ", request_token_of)
    link = HttpLink(terms.api_url, dict, deadline_s=10.0)
    try:
        return await exchange(link, key, request_token, secret)
    except SessionRefused as refusal:
        raise StartFailed(str(refusal)) from None
    finally:
        await link.close()


async def _dhan(terms: DhanAccount, secrets: Secrets) -> str:
    from brokers.dhan.login import AUTH_ROOT, begin_consent, consume_consent, login_url, login_with_totp, token_id_in
    from brokers.wire.http import HttpLink

    link = HttpLink(AUTH_ROOT, dict, deadline_s=15.0)
    try:
        pin, totp = secrets.find(_DHAN_PIN), secrets.find(_DHAN_TOTP)
        if pin is not None and totp is not None:
            code = _totp(totp.reveal())
            return (await login_with_totp(link, terms.client_id, pin.reveal(), code)).token
        app_id, app_secret = secrets.require(_DHAN_APP).reveal(), secrets.require(_DHAN_APP_SECRET).reveal()
        consent = await begin_consent(link, terms.client_id, app_id, app_secret)
        _say("open this page in a browser and log in; you end at an address of your app:")
        _say(f"  {login_url(consent)}")

        def token_id(pasted: str) -> str:
            try:
                return token_id_in(pasted)
            except SessionRefused:
                return ""

        found = _asked("paste that whole address (or its tokenId): ", token_id)
        return (await consume_consent(link, found, app_id, app_secret)).token
    except SessionRefused as refusal:
        raise StartFailed(str(refusal)) from None
    finally:
        await link.close()


def _totp(secret: str) -> str:
    """The code of this moment. Raises StartFailed without the extra."""
    try:
        return str(importlib.import_module("pyotp").TOTP(secret).now())
    except ImportError:
        raise StartFailed("a login with PIN and TOTP needs the extra: pip install 'strikedesk[auth]'") from None


def _asked(prompt: str, read: Callable[[str], str]) -> str:
    """Something from the keyboard that is what was asked for; it is not echoed. Raises StartFailed."""
    for _ in range(_TRIES):
        try:
            pasted = getpass.getpass(prompt) if sys.stdin.isatty() else sys.stdin.readline()
        except (EOFError, KeyboardInterrupt):
            break
        found = read(pasted)
        if found:
            return found
        _say("that is not it")
    raise StartFailed("no login: nothing usable was given")


def _store(name: str, value: str, path: Path, *, into_keyring: bool) -> None:
    """Raises StartFailed and ConfigError."""
    if into_keyring:
        _into_keyring(name, value)
        _say(f"{name} stored in the keyring")
        return
    kept = read_private(path)
    lines = path.read_text(encoding="utf-8").splitlines() if kept else []
    lines = [line for line in lines if name not in parse_env_text(line, "")]
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        write_whole(path.resolve(), "\n".join([*lines, f"{name}={value}", ""]), _MODE, replace=True)
    except OSError as error:
        raise StartFailed(f"{path}: cannot be written: {error.strerror or error}") from None
    _say(f"{name} stored in {path}")


def _into_keyring(name: str, value: str) -> None:
    try:
        keyring = importlib.import_module("keyring")
        keyring.set_password(KEYRING_SERVICE, name, value)
    except ImportError:
        raise StartFailed("--keyring needs the extra: pip install 'strikedesk[keyring]'") from None
    except Exception as error:  # noqa: BLE001 - every backend has errors of its own
        raise StartFailed(f"the keyring did not take it: {type(error).__name__}") from None


def _say(text: str) -> None:
    print(text)  # noqa: T201 - requested data goes to stdout
