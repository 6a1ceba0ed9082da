"""A feed that goes quiet with a position open: asked by request, told, decided on what is fresh, left when nothing is.

The market of these scenarios is one truth with a misbehaving feed in front of it: the exchange hears the truth, the
desk hears what the feed's faults leave of it, and quotes answer from the truth or with the fault's own trouble.
"""

from __future__ import annotations

import asyncio
import itertools
from datetime import date

import pytest
import tomli_w

from brokers.paper.faults.market import FaultyMarket
from brokers.paper.faults.script import read_script
from engine.bot import BotTimes
from engine.instant import NS_PER_DAY, NS_PER_MS, NS_PER_S
from engine.operator import Enter
from engine.order import Role, Side
from engine.port import ReadFailed
from engine.tick import Tick
from engine.view import ExitStyle

PE = "NIFTY01DEC2624500PE"
CE = "NIFTY01DEC2624500CE"
DAY = date(2026, 11, 25)


class Truth:
    """The market as it is."""

    def __init__(self, clock) -> None:
        self.clock = clock
        self.listeners = []
        self.last: dict[str, Tick] = {}
        self.asked: list[tuple[int, str]] = []
        self.subscribed: list[tuple[str, ...]] = []
        self.running = self.most_running = 0
        self.answer_s = 0.02

    def listen(self, on_tick) -> None:
        self.listeners.append(on_tick)

    async def connect(self) -> None: ...

    async def close(self) -> None: ...

    async def instruments(self):
        return []

    async def subscribe(self, symbols) -> None:
        self.subscribed.append(tuple(symbols))

    async def quote(self, symbol: str) -> Tick:
        self.asked.append((self.clock.now_ns(), symbol))
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await self.clock.sleep_until(self.clock.now_ns() + round(self.answer_s * NS_PER_S))
        finally:
            self.running -= 1
        return self.last[symbol]

    def show(self, symbol: str, ltp_paise: int) -> None:
        tick = Tick(symbol, self.clock.now_ns(), ltp_paise, ltp_paise, 100_000, ltp_paise, 100_000)
        self.last[symbol] = tick
        for hear in list(self.listeners):
            hear(tick)


class Feed:
    """Drives the truth in front of a running desk."""

    def __init__(self, rig, entries) -> None:
        self.rig = rig
        self.truth = Truth(rig.clock)
        script = read_script(tomli_w.dumps({"fault": list(entries)}), "test")
        self.faulty = FaultyMarket(self.truth, rig.clock, script.plan(DAY))
        self.faulty.listen_truth(rig.exchange.on_tick)
        self.faulty.listen(rig.desk.on_tick)
        rig.desk.parts.market = self.faulty

    async def run(self, seconds: float, paise: int, step_s: float = 0.25) -> None:
        """Let the true price of every leg stand at `paise` for so long."""
        clock = self.rig.clock
        until_ns = clock.now_ns() + round(seconds * NS_PER_S)
        while clock.now_ns() < until_ns:
            for symbol in self.rig.setup.all_symbols:
                self.truth.show(symbol, paise)
            await clock.sleep_until(min(until_ns, clock.now_ns() + round(step_s * NS_PER_S)))

    async def enter(self, paise: int = 100_00) -> None:
        await self.run(0.5, paise)
        self.rig.request(Enter, side=Side.BUY)
        await self.run(0.5, paise)
        assert self.rig.leg(PE).bracket.open_qty > 0


@pytest.fixture
def on_feed(run_desk, seed_setup):
    """`on_feed(scenario, {"knob": ...}, **setup)`: a desk watching its exits itself, behind a faulty feed."""

    def play(scenario, *entries, **changes):
        async def started(rig):
            feed = Feed(rig, entries)
            await scenario(rig, feed)

        fields = {"symbols": (PE,), "style": ExitStyle.MONITORED} | changes
        run_desk(started, seed_setup(**fields))

    return play


def lines(rig, part: str) -> list[tuple[float, str]]:
    began_ns = rig.setup.start_ns
    return [((line.at_ns - began_ns) / NS_PER_S, line.text) for line in rig.log.lines_since(0) if part in line.text]


@pytest.mark.row("RTP-14", "RTP-40")
@pytest.mark.parametrize("breached_after_s", [0.0, 2.0, 6.0])
@pytest.mark.fault("MKT-01", "NET-05")
def test_a_stop_passed_while_the_feed_is_cut_is_left_within_two_seconds(on_feed, breached_after_s) -> None:
    """The feed is cut for 10 s; from some instant on the quotes show a price through the stop."""

    async def scenario(rig, feed):
        await feed.enter()
        await feed.run(2.1, 100_00)  # the stall begins at 10:00:03
        if breached_after_s:
            await feed.run(breached_after_s, 100_00)
        breached_ns = rig.clock.now_ns()
        await feed.run(2.0, 94_00)
        (exit_order,) = rig.venue.placed(Role.EXIT)
        (placed_ns,) = [o.intended_ns for o in rig.desk.blotter.orders.values() if o.tag == exit_order.tag]
        assert placed_ns - breached_ns < 2 * NS_PER_S
        assert rig.net(PE) == 0
        await feed.run(3.0, 94_00)
        assert [reason for _, _, reason in rig.trades()] == ["Stoploss Hit"]
        assert not feed.rig.desk.price_watch.blind

    on_feed(scenario, {"knob": "feed.stall", "at": "10:00:03", "for_s": 10})


@pytest.mark.row("RTP-14")
@pytest.mark.fault("MKT-01", "MKT-02")
@pytest.mark.invariant("M1")
def test_a_dead_feed_is_told_within_five_seconds_and_quotes_are_asked_every_second(on_feed) -> None:
    async def scenario(rig, feed):
        await feed.enter()
        await feed.run(21.75, 100_00)
        last_tick_ns = rig.desk.price_watch.quotes.feed_ns(PE)
        ((at_s, text),) = lines(rig, "[BLIND]")
        assert "no tick for 5s: prices by request" in text
        assert at_s * NS_PER_S + rig.setup.start_ns - last_tick_ns <= 5 * NS_PER_S + NS_PER_MS
        asked = [at_ns for at_ns, _ in feed.truth.asked]
        gaps = [(b - a) / NS_PER_S for a, b in itertools.pairwise(asked)]
        assert len(asked) >= 18 and max(gaps) <= 1.001 and feed.truth.most_running == 1
        assert rig.net(PE) == 75 and not rig.said("exiting blind"), "a quoted position is not blind"
        assert rig.desk.prices[PE].age_ns(rig.clock.now_ns()) <= 2 * NS_PER_S
        kinds = [alert.kind.value for alert in rig.alerts.unread] + list(rig.desk.alarms)
        assert "blind:random_scalp_live:" + PE in kinds

        await feed.run(6.0, 100_00)  # the stall is over
        assert rig.said("prices are back") and not rig.desk.price_watch.blind
        before = len(feed.truth.asked)
        await feed.run(5.0, 100_00)
        assert len(feed.truth.asked) == before, "nobody is asked while ticks come"

    on_feed(scenario, {"knob": "feed.stall", "at": "10:00:03", "for_s": 22})


@pytest.mark.row("RTP-14")
def test_without_quotes_no_decision_is_taken_until_the_position_is_left_blind(on_feed) -> None:
    """A mute feed (stale token): neither ticks nor quotes. The old price decides nothing, the patience does."""

    async def scenario(rig, feed):
        await feed.enter()
        await feed.run(2.0, 100_00)
        await feed.run(25.0, 94_50)  # through the stop, and nobody can see it
        assert not rig.venue.placed(Role.EXIT)
        ((_, blind),) = lines(rig, "[BLIND] " + PE + " last price")
        assert "no decision is taken" in blind
        assert len(lines(rig, "no quote")) == 1, "told once, not once a second"
        await feed.run(12.0, 94_50)
        assert rig.said("exiting blind") and rig.net(PE) == 0
        assert [reason for _, _, reason in rig.trades()] == ["No Price"]

    on_feed(scenario, {"knob": "feed.mute", "at": "10:00:03"})


@pytest.mark.row("RTP-14")
@pytest.mark.fault("MKT-04")
@pytest.mark.invariant("M1")
def test_quotes_that_stop_as_well_make_the_position_blind(on_feed) -> None:
    async def scenario(rig, feed):
        await feed.enter()
        await feed.run(10.0, 100_00)
        assert rig.said("prices by request") and not rig.said("last price is")
        await feed.run(9.0, 100_00)
        assert len(rig.said("last price is 5s old")) == 1
        await feed.run(8.0, 100_00)
        assert len(lines(rig, "[BLIND] " + PE + " no tick")) == 2, "the quotes answer again"
        assert rig.net(PE) == 75

    on_feed(
        scenario,
        {"knob": "feed.stall", "at": "10:00:02"},
        {"knob": "feed.mute", "at": "10:00:12", "for_s": 10, "door": "quote"},
    )


@pytest.mark.row("RTP-14")
@pytest.mark.fault("MKT-03")
def test_a_lost_subscription_is_asked_for_again_with_a_position_and_without(on_feed) -> None:
    async def held(rig, feed):
        await feed.enter()
        await feed.run(14.0, 100_00)
        assert rig.said("[BLIND]") and rig.said("prices are back"), rig.texts()
        assert feed.truth.subscribed == [(PE,)]

    async def flat(rig, feed):
        await feed.run(2.0, 100_00)
        await feed.run(30.0, 100_00)
        assert feed.truth.subscribed == [(PE,)]
        assert rig.desk.prices[PE].age_ns(rig.clock.now_ns()) < NS_PER_S

    knob = {"knob": "feed.reconnect_no_resub", "at": "10:00:02"}
    on_feed(held, knob)
    on_feed(flat, knob)


@pytest.mark.row("RTP-14")
@pytest.mark.fault("MKT-01")
@pytest.mark.invariant("O10")
def test_a_feed_that_stalls_without_a_position_is_told_and_blocks_entries(on_feed) -> None:
    async def scenario(rig, feed):
        await feed.run(2.0, 100_00)
        await feed.run(25.0, 100_00)
        ((_, text),) = lines(rig, "[FEED] no tick")
        assert "any of 1 instrument(s)" in text
        assert "price of NIFTY01DEC2624500PE is" in rig.console.why_not(Enter(request_id="w", side=Side.BUY))
        rig.request(Enter, side=Side.BUY)
        await feed.run(0.5, 100_00)
        assert not rig.venue.placed() and rig.said("s old")
        assert not feed.truth.asked, "nothing is held: nobody is asked for quotes"

        await feed.run(20.0, 100_00)
        assert rig.said("[FEED] ticks are back")
        rig.request(Enter, side=Side.BUY)
        await feed.run(0.5, 100_00)
        assert rig.net(PE) == 75

    on_feed(scenario, {"knob": "feed.stall", "at": "10:00:02", "for_s": 30})


@pytest.mark.row("RTP-14")
@pytest.mark.fault("MKT-05", "MKT-13")
@pytest.mark.invariant("M2")
def test_ticks_told_once_more_and_ticks_of_yesterday_decide_nothing(on_feed) -> None:
    """MKT-05, MKT-13: the price was through the stop before the entry, and yesterday all day."""

    async def scenario(rig, feed):
        await feed.run(0.5, 90_00)
        await feed.enter()
        await feed.run(3.0, 100_00)
        assert feed.faulty._plan.fired["MKT-05"] == 1
        assert rig.net(PE) == 75 and not rig.venue.placed(Role.EXIT)
        await feed.run(10.0, 100_00)
        assert rig.desk.prices[PE].tick.ltp_paise == 100_00
        assert rig.said("prices by request"), "another day's ticks are no ticks"
        assert rig.net(PE) == 75

    on_feed(
        scenario,
        {"knob": "feed.replay", "at": "10:00:03", "nth": 1},
        {"knob": "feed.yesterday", "at": "10:00:06"},
    )


@pytest.mark.fault("MKT-13")
@pytest.mark.invariant("M2")
def test_a_restarted_desk_does_not_leave_on_yesterdays_first_tick(run_desk, seed_setup) -> None:
    """Before the first price of the day there is nothing to compare an old tick with but the day itself."""

    async def scenario(rig):
        await rig.enter(100.0)
        again = await rig.revived(await rig.kill())
        old = Tick(PE, again.clock.now_ns() - NS_PER_DAY, 50_00, 50_00, 1000, 50_00, 1000)
        again.desk.on_tick(old)
        await again.pass_s(0.5)
        assert again.desk.prices[PE].at_ns == 0 and not again.venue.placed(Role.EXIT)
        assert again.net(PE) == 75
        await again.desk.stop("done", flatten=False)

    run_desk(scenario, seed_setup(symbols=(PE,), style=ExitStyle.MONITORED))


@pytest.mark.row("RTP-14")
@pytest.mark.fault("MKT-12")
@pytest.mark.invariant("M1")
def test_a_tick_that_comes_seconds_late_decides_nothing(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(100.0)
        await rig.quiet(10.0, 100.0)
        await rig.pass_s(8.0)
        late = Tick(PE, rig.clock.now_ns() - 6 * NS_PER_S, 90_00, 90_00, 1000, 90_00, 1000)
        rig.desk.on_tick(late)
        await rig.pass_s(0.4)
        assert not rig.venue.placed(Role.EXIT)
        rig.tick(PE, 90.0)
        await rig.pass_s(0.4)
        assert len(rig.venue.placed(Role.EXIT)) == 1

    run_desk(scenario, seed_setup(symbols=(PE,), style=ExitStyle.MONITORED))


@pytest.mark.row("RTP-14")
def test_quotes_never_overlap_and_a_slow_one_is_given_up(on_feed) -> None:
    async def scenario(rig, feed):
        await feed.enter()
        feed.truth.answer_s = 5.0
        await feed.run(12.0, 100_00)
        assert feed.truth.most_running == 2, "one for each held leg"
        assert len(feed.truth.asked) >= 16
        assert len(lines(rig, "no quote: no answer")) == 2
        feed.truth.answer_s = 0.02
        await feed.run(3.0, 100_00)
        assert len(rig.desk._tasks) <= 3, [task.get_name() for task in rig.desk._tasks]

    on_feed(scenario, {"knob": "feed.stall", "at": "10:00:02"}, symbols=(PE, CE))


@pytest.mark.parametrize(
    "answer",
    [
        ReadFailed("down"),
        RuntimeError("adapter bug"),
        Tick(PE, 1, 0),
        Tick(CE, 0, 100_00),
        Tick(PE, 0, 50_00),
        Tick(PE, -1, 50_00),
        Tick(PE, 1 << 62, 50_00),
    ],
    ids=["read_failed", "bug", "no_price", "other_symbol", "epoch", "negative", "future"],
)
def test_an_answer_that_is_no_fresh_price_is_no_price(on_feed, answer) -> None:
    async def scenario(rig, feed):
        await feed.enter()

        async def quote(symbol: str) -> Tick:
            if isinstance(answer, Exception):
                raise answer
            return answer

        feed.truth.quote = quote
        await feed.run(12.0, 100_00)
        assert not rig.venue.placed(Role.EXIT) and rig.net(PE) == 75
        assert rig.said("last price is 5s old")
        assert len(lines(rig, "no quote")) <= 1
        assert any(task.get_name() == "quotes" for task in rig.desk._tasks), "it goes on asking"

    on_feed(scenario, {"knob": "feed.stall", "at": "10:00:02"})


def test_only_an_alarm_when_nobody_shall_leave_blind(on_feed) -> None:
    async def scenario(rig, feed):
        await feed.enter()
        await feed.run(60.0, 100_00)
        assert rig.net(PE) == 75 and rig.said("last price is 5s old") and rig.desk.alarms

    on_feed(scenario, {"knob": "feed.mute", "at": "10:00:02"}, bot_times=BotTimes(blind_exit_after_ns=0))


def test_asking_ends_with_the_position(on_feed) -> None:
    async def scenario(rig, feed):
        await feed.enter()
        await feed.run(6.0, 100_00)
        rig.desk.step(lambda now: rig.desk.square_off("Square-Off", now))
        await feed.run(4.0, 100_00)
        assert rig.net(PE) == 0 and not rig.desk.any_active
        before = len(feed.truth.asked)
        await feed.run(5.0, 100_00)
        assert len(feed.truth.asked) <= before + 1
        assert not rig.desk.price_watch.blind and not rig.desk.alarms
        await asyncio.sleep(0)

    on_feed(scenario, {"knob": "feed.stall", "at": "10:00:02"})
