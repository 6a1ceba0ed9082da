"""A desk on a pseudo-terminal: a beat-keeping engine task and one screen, for the liveness tests.

Arguments: report file, desk state (`normal`, `empty`, `crash`). The report is rewritten with the largest gap between
two beats since the last SIGUSR1, the number of beats, and how the screen ended.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from pathlib import Path

BEAT_S = 0.02


class Beat:
    """Stands for the engine: it wakes every 20 ms and remembers how late it ever was."""

    def __init__(self, report: Path) -> None:
        self._report = report
        self.facts: dict[str, object] = {"beats": 0, "largest_gap_s": 0.0, "outcome": ""}

    def reset(self) -> None:
        self.facts["largest_gap_s"] = 0.0
        self.facts["resets"] = self.facts.get("resets", 0) + 1  # type: ignore[operator]
        self.write()

    def write(self) -> None:
        fresh = self._report.with_suffix(".new")
        fresh.write_text(json.dumps(self.facts))
        fresh.replace(self._report)

    async def run(self) -> None:
        beats = 0
        last = time.monotonic()
        while True:
            await asyncio.sleep(BEAT_S)
            now = time.monotonic()
            gap, last = now - last, now
            beats += 1
            self.facts["beats"] = beats
            if gap > self.facts["largest_gap_s"] or beats % 25 == 0:  # type: ignore[operator]
                self.facts["largest_gap_s"] = max(gap, self.facts["largest_gap_s"])  # type: ignore[type-var]
                self.write()


async def main(report: Path, state: str) -> None:
    import conftest
    import msgspec

    from tui.screen import run_screen

    class MovingConsole(conftest.FakeConsole):
        """Every look shows other prices and other times, so that every frame has much to draw."""

        looks = 0
        breaks_at = 40 if state == "crash" else 0

        def view(self):
            self.looks += 1
            if self.looks == self.breaks_at:
                raise RuntimeError("the picture broke")
            now_ns = time.time_ns()
            old = self.current
            legs = tuple(
                msgspec.structs.replace(leg, ltp_paise=10_000 + self.looks * 5 % 3_000, tick_ns=now_ns)
                for leg in old.legs
            )
            status = msgspec.structs.replace(old.status, now_ns=now_ns, feed_ns=now_ns)
            self.current = msgspec.structs.replace(old, legs=legs, status=status)
            return self.current

    loop = asyncio.get_running_loop()
    beat = Beat(report)
    engine = asyncio.create_task(beat.run(), name="engine")
    loop.add_signal_handler(signal.SIGUSR1, beat.reset)
    loop.add_signal_handler(signal.SIGTERM, engine.cancel)
    started = time.monotonic()
    console = MovingConsole(conftest.VIEWS.get(state, conftest.normal_view)(), conftest.LOG)
    outcome = await run_screen(console, engine, on_crash=lambda text: beat.facts.update(crash=text.splitlines()[-1]))
    if outcome.value == "crashed":
        beat.facts["first_outcome"] = outcome.value
        beat.write()
        outcome = await run_screen(console, engine)
    beat.facts["outcome"] = outcome.value
    beat.facts["screen_s"] = time.monotonic() - started
    beat.write()
    if outcome.value == "quit":
        engine.cancel()
    await asyncio.wait({engine})
    beat.facts["engine_ended"] = True
    beat.write()


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
