"""`make mutations`: plants each deliberate bug of mutations.toml in a copy of the project and runs the test that must
catch it. Prints one line per mutation; exit code 1 when one SURVIVED or could not be tried. Names as arguments choose.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIST = Path(__file__).with_name("mutations.toml")
COPIED = ("engine", "brokers", "tui", "tests", "pyproject.toml")
TEST_TIMEOUT_S = 120
PYTEST_OPTIONS = ("-q", "-x", "-p", "no:cacheprovider", "-p", "pytest_asyncio.plugin")
_FAILED, _PASSED = 1, 0
"""pytest's exit codes; anything else means that the test was not run."""


@dataclass(frozen=True, kw_only=True)
class Mutation:
    """One deliberate bug; `old` stands exactly once in `file`."""

    name: str
    why: str
    file: str
    old: str
    new: str
    test: str
    """pytest id of the test that must fail."""
    in_ci: bool = False
    """Tried by every run of the tests, not only by `make mutations`."""

    def planted(self, text: str) -> str:
        """The file with the bug. Raises ValueError when the old text does not stand there exactly once."""
        found = text.count(self.old)
        if found != 1:
            raise ValueError(f"{self.name}: the old text stands {found} times in {self.file}, it must be once")
        return text.replace(self.old, self.new)


class Verdict(StrEnum):
    CAUGHT = "caught"
    SURVIVED = "SURVIVED"
    NOT_RUN = "NOT RUN"


def read_mutations() -> list[Mutation]:
    """The kept list, in its order."""
    return [Mutation(**entry) for entry in tomllib.loads(LIST.read_text(encoding="utf-8"))["mutation"]]


@contextmanager
def project_copy() -> Iterator[Path]:
    """A throw-away copy of code and tests, byte code included: the unchanged files need not be compiled again."""
    with tempfile.TemporaryDirectory(prefix="mutations-") as folder:
        copy = Path(folder)
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, copy / name)
            else:
                shutil.copy2(source, copy / name)
        _insist_on_the_copy(copy)
        yield copy


def _environment(copy: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    # Plugins cost more than most of the tests tried here; they need one of them, which is named with the command.
    plain = {"PYTHONDONTWRITEBYTECODE": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return {**kept, **plain, "PYTHONPATH": str(copy)}


def _insist_on_the_copy(copy: Path) -> None:
    """An installed project must not be what the tests import: every mutation would survive."""
    command = [sys.executable, "-c", "import engine; print(engine.__file__)"]
    run = subprocess.run(command, cwd=copy, env=_environment(copy), capture_output=True, text=True, check=True)
    if Path(run.stdout.strip()).resolve() != (copy / "engine" / "__init__.py").resolve():
        raise RuntimeError(f"the tests would import {run.stdout.strip()}, not the copy")


def run_tests(copy: Path, tests: Iterable[str]) -> tuple[int | None, str]:
    """(exit code of pytest, the end of its output); None when it had to be ended."""
    command = [sys.executable, "-m", "pytest", *PYTEST_OPTIONS, *tests]
    try:
        run = subprocess.run(
            command,
            cwd=copy,
            env=_environment(copy),
            capture_output=True,
            text=True,
            timeout=TEST_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None, f"ended after {TEST_TIMEOUT_S} s"
    return run.returncode, (run.stdout + run.stderr)[-2000:]


def try_out(mutation: Mutation, copy: Path) -> tuple[Verdict, str]:
    """Plant one bug in the copy, run its test, and put the file back."""
    path = copy / mutation.file
    sound = path.read_text(encoding="utf-8")
    try:
        broken = mutation.planted(sound)
    except ValueError as error:
        return Verdict.NOT_RUN, str(error)
    path.write_text(broken, encoding="utf-8")
    try:
        code, output = run_tests(copy, [mutation.test])
    finally:
        path.write_text(sound, encoding="utf-8")
    if code is None or code == _FAILED:
        return Verdict.CAUGHT, output
    return (Verdict.SURVIVED if code == _PASSED else Verdict.NOT_RUN), output


def main(names: Sequence[str]) -> int:
    mutations = read_mutations()
    unknown = sorted(set(names) - {mutation.name for mutation in mutations})
    if unknown:
        print(f"no such mutation: {', '.join(unknown)}; known: {', '.join(m.name for m in mutations)}")
        return 2
    chosen = [mutation for mutation in mutations if not names or mutation.name in names]
    with project_copy() as copy:
        code, output = run_tests(copy, dict.fromkeys(mutation.test for mutation in chosen))
        if code != _PASSED:
            print(f"without any mutation the tests must pass; they did not:\n{output}")
            return 2
        caught = 0
        for mutation in chosen:
            began = time.perf_counter()
            verdict, output = try_out(mutation, copy)
            caught += verdict is Verdict.CAUGHT
            print(f"{verdict:<8}  {time.perf_counter() - began:4.1f} s  {mutation.name}: {mutation.why}", flush=True)
            if verdict is not Verdict.CAUGHT:
                print(f"          {mutation.test}\n{output if verdict is Verdict.NOT_RUN else ''}")
    print(f"{caught} of {len(chosen)} mutations caught")
    return 0 if caught == len(chosen) else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
