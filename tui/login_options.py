"""The options of `strikedesk login`; the command itself is loaded when it is chosen."""

from __future__ import annotations

import argparse

from tui.arguments import file_options


def add_login(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The command's own options."""
    login = commands.add_parser(
        "login",
        help="the broker's daily login; the token is stored, never shown",
        description="Logs in at a broker and stores the day's token where the desk looks for it.",
        epilog="examples:\n  strikedesk login kite            prints the page to open, takes the address it ends at\n"
        "  strikedesk login kite --keyring  into the system's keyring instead of the secrets file\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    login.add_argument(
        "account", metavar="NAME", help="an account of the configuration, or a kind: kite, dhan, xts ..."
    )
    file_options(login, suppress=True)
    login.add_argument("--keyring", action="store_true", help="store in the system's keyring (extra `keyring`)")
