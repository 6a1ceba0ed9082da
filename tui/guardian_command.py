"""`strikedesk guardian`: watches a desk from outside, alarms when it falls silent, and closes its positions if told so.

Ends by itself after an orderly end of the desk. `--release` gives an account that was taken over back to the next desk.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from tui.arguments import file_options, whole

if TYPE_CHECKING:
    from engine.config.load import Loaded
    from engine.lease_record import LeaseRecord
    from engine.single_instance import InstanceLock
    from tui.guardian_files import GuardianFiles

EXIT_CLEAN: Final = 0
EXIT_STILL_IN_POSITION: Final = 5
_LOCK_TRIES: Final = 20
_LOCK_AGAIN_S: Final = 0.5
"""The guardian of the desk before this one may still be about to end."""

_EXAMPLES: Final = """\
examples:
  strikedesk guardian                     watch the desk of ./config.toml, in another terminal
  strikedesk guardian --config my.toml    the desk of that configuration
  strikedesk guardian --release           after a takeover, when the broker shows what it should: a desk may start again
  strikedesk guardian --release --checked the same on your word, although the guardian could not prove it
  strikedesk guardian --account hedge     another account of that desk; the desk itself starts one for each

In config.toml:
  [guardian]
  enabled = true          # the desk starts a guardian itself
  silence_seconds = 15
  act = "alarm"           # or "flatten": take the account over and close what today's orders opened

exit codes:
  0  the desk has ended, or its positions are proven flat; released
  1  a file of the account cannot be used          4  another guardian watches this account
  2  configuration or arguments wrong              5  taken over and not proven flat: look at the broker now
"""


def add_guardian(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    guardian = commands.add_parser(
        "guardian",
        help="watch a desk from outside: alarm when it falls silent, close its positions if told so",
        description="Watches the desk of a configuration from outside, until it has ended. See docs/guardian.md.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    file_options(guardian, suppress=True)
    guardian.add_argument("--release", action="store_true", help="give taken-over accounts back to the next desk")
    guardian.add_argument(
        "--checked", action="store_true", help="with --release: I have looked at the broker, whatever was proven"
    )
    guardian.add_argument(
        "--account", metavar="NAME", help="one account of the desk; left out, the one of [legs], and all with --release"
    )
    guardian.add_argument("--for-pid", type=whole, default=0, metavar="PID", help="end with the desk of this process")


def run_guardian(arguments: argparse.Namespace) -> int:
    """Returns the exit code. Raises ConfigError, AlreadyRunning, LockUnusable and LeaseUnusable."""
    from engine.config.errors import ConfigError
    from engine.config.load import load
    from engine.paths import places
    from tui.files import DeskFiles
    from tui.guardian_files import GuardianFiles, account_name

    if arguments.checked and not arguments.release:
        raise ConfigError(["--checked is for --release"])
    loaded = load(arguments.config, os.environ, env_file=arguments.env_file)
    names = loaded.config.account_names
    if arguments.account not in (None, *names):
        raise ConfigError([f"--account {arguments.account}: this desk trades {', '.join(names)}"])
    desk_files = DeskFiles.of(loaded.config, places(os.environ), arguments.db)
    wanted = [arguments.account] if arguments.account else list(names if arguments.release else names[:1])
    codes: list[int] = []
    for name in wanted:
        one = _of_account(loaded, name)
        files = GuardianFiles.of(one.config, desk_files)
        files.lock.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with ExitStack() as held:
            what = f"the guardian of account {account_name(one.config)}"
            held.enter_context(_lock(files, what, is_patient=arguments.for_pid > 0))
            if arguments.release:
                said = f"{name}: " if len(wanted) > 1 else ""
                codes.append(_release(files, said, is_checked=arguments.checked))
            else:
                codes.append(asyncio.run(_watch(arguments, one, files)))
    return max(codes)


def _of_account(loaded: Loaded, name: str) -> Loaded:
    """The configuration as the guardian of this account reads it: the account of [legs] is the one it watches."""
    import msgspec

    config = loaded.config
    legs = msgspec.structs.replace(config.legs, account=name)
    return msgspec.structs.replace(loaded, config=msgspec.structs.replace(config, legs=legs))


def _lock(files: GuardianFiles, what: str, *, is_patient: bool) -> InstanceLock:
    from engine.single_instance import AlreadyRunning, InstanceLock

    for _ in range(_LOCK_TRIES if is_patient else 0):
        try:
            return InstanceLock.acquire(files.lock, what)
        except AlreadyRunning:
            time.sleep(_LOCK_AGAIN_S)
    return InstanceLock.acquire(files.lock, what)


# --- release ----------------------------------------------------------------------------------------------------------


def _release(files: GuardianFiles, said: str, *, is_checked: bool) -> int:
    from engine.lease import LeaseUnusable, read_lease, release
    from engine.lease_record import Holder, Proof

    record: LeaseRecord | None = None
    try:
        record = read_lease(files.lease)
    except LeaseUnusable:
        if not is_checked:
            raise
    else:
        if record is None or record.holder is not Holder.GUARDIAN:
            print(f"{said}no guardian has taken this account: nothing to release")  # noqa: T201 - requested data
            return EXIT_CLEAN
        if record.proof is not Proof.FLAT and not is_checked:
            _complain(
                f"{said}the guardian ({record.words}) could not prove that the desk's positions are closed: not "
                "released. Look at the broker; `strikedesk guardian` goes on closing them, --release --checked takes "
                "your word"
            )
            return EXIT_STILL_IN_POSITION
    freed = release(files.lease, pid=os.getpid(), at_ns=time.time_ns())
    print(f"{said}released: the next desk may start (epoch {freed.epoch})")  # noqa: T201
    return EXIT_CLEAN


def _complain(text: str) -> None:
    print(f"strikedesk: {text}", file=sys.stderr)  # noqa: T201


# --- watching ---------------------------------------------------------------------------------------------------------


async def _watch(arguments: argparse.Namespace, loaded: Loaded, files: GuardianFiles) -> int:
    """Until the desk has ended, or a signal says so."""
    from tui.guardian_watch import open_watch

    watch = open_watch(loaded, files, arguments.db, desk_pid=arguments.for_pid)
    loop = asyncio.get_running_loop()
    work = loop.create_task(watch.run(), name="guardian")
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, work.cancel)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a lost terminal is no reason to stop watching
    try:
        return await work
    except asyncio.CancelledError:
        return watch.told_to_end()
    finally:
        await watch.close()
