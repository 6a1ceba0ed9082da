"""The phrases operators grep for, each from a session that causes it, with its exact text (OPS-24, OPS-25)."""

from __future__ import annotations

from datetime import date, time

import pytest

from engine import refusals
from engine.instant import at_ist
from engine.operator import Enter
from engine.order import Role, Side
from engine.port import Refused

PE = "NIFTY01DEC2624500PE"
CE = "NIFTY01DEC2624500CE"
DAY = date(2026, 11, 25)


def assert_said(rig, *phrases: str) -> None:
    texts = rig.texts()
    missing = [phrase for phrase in phrases if not any(phrase in text for text in texts)]
    assert not missing, "\n".join([*missing, "---", *texts])


@pytest.mark.row("OPS-24")
def test_a_trailing_day_with_a_partial_exit_and_the_square_off(run_desk, seed_setup) -> None:
    async def scenario(rig):
        rig.tick(PE, 100.0, size=75)
        rig.tick(CE, 100.0)
        rig.request(Enter, side=Side.BUY)
        await rig.pass_s(5.0)
        rig.desk.step(lambda now: rig.bot.enter([PE, CE], Side.BUY, 1, now, rig.desk.out))
        rig.tick(CE, 102.0)
        await rig.pass_s(0.2)
        rig.tick(CE, 104.0, size=50)
        await rig.pass_s(0.2)
        facts = rig.facts(PE)
        rig.exchange.cancel("paper", facts.sl_order_id, rig.clock.now_ns())
        await rig.quiet(1.0, {PE: 100.0, CE: 103.5})
        rig.venue.reads_fail = True
        await rig.quiet(6.0, {PE: 100.0, CE: 103.5})
        rig.venue.reads_fail = False
        await rig.quiet(20.0, {PE: 100.0, CE: 103.5})

        assert_said(
            rig,
            "[ENTRY] BUY 2 symbols x 150",
            f"[ENTRY] BUY {PE} x 150",
            "[PARTIAL_FILL] Entry filled 75/150 @ ₹100.00",
            f"[ORDER] BUY {CE} qty=150 @₹100.00",
            f"[EXITS] TP oid={facts.tp_order_id} @₹104.00 | SL oid={facts.sl_order_id} @₹99.00",
            "[SKIP] Position already active",
            f"[TRAIL] {CE} ✅ ACTIVATED! Profit ₹2.00",
            f"[TRAIL] {CE} 📈 Moving SL: ₹99.00 → ₹101.50",
            f"[PARTIAL] {CE} target filled 50/150",
            "[SYNC_NEEDED] Total exits 50, remaining 100",
            "[SYNC] Adjusting exits for remaining qty 100",
            "[CRITICAL] Position detected without exits! Re-arming protection...",
            f"[ENSURE_EXITS] {PE} Re-arming protection",
            "[WARN] TP status check failed",
            "[WARN] SL status check failed",
            f"[EOD] Squaring off {PE}",
            f"[EOD] Squaring off {CE}",
            f"[EXIT] {PE} EOD Square-Off | Entry ₹100.00 → Exit ₹100.00 | Net ₹+0.00 | Day ₹",
            "STATE=LONG qty=75 entry=100.00 tp=104.00 sl=99.00",
            "STATE=FLAT",
        )

    start = at_ist(DAY, time(15, 14, 45))
    run_desk(scenario, seed_setup(4, 1, lots=2, trail={}, start_ns=start))


@pytest.mark.row("OPS-24")
def test_a_bad_day_of_refusals_and_a_double_fill(run_desk, seed_setup) -> None:
    async def scenario(rig):
        def script(op, request):
            if op != "place":
                return None
            if request.symbol == CE and request.tag.endswith("E"):
                return Refused(refusals.MARGIN, "no money")
            if request.tag.endswith("T") and len(rig.venue.placed(Role.TARGET)) == 1:
                return Refused(refusals.OTHER, "no")
            if request.tag.endswith("S") and len(rig.venue.placed(Role.STOP)) == 1:
                return Refused(refusals.OTHER, "no")
            return None

        rig.venue.script = script
        rig.ticks(100.0)
        rig.request(Enter, side=Side.BUY)
        await rig.wait_until(lambda: len(rig.venue.placed(Role.STOP)) == 2)
        rig.drain()
        await rig.quiet(2.0, 100.0)
        rig.tick(PE, 102.0)
        rig.tick(PE, 99.0)
        await rig.quiet(2.0, 99.0)
        assert_said(
            rig,
            f"[ERROR] placeorder failed for {CE}",
            "[CRITICAL] TP rejected - position UNPROTECTED on upside!",
            "[CRITICAL] SL rejected - position UNPROTECTED on downside!",
            "[INFO] Exit legs already placed, waiting for order IDs to populate...",
            f"[CRITICAL] {PE} Both TP and SL filled! OCO failure",
            f"💰 [EXIT] {PE} Target Hit (OCO Race) | Entry ₹100.00 → Exit ₹102.00 | Net ₹+150.00 | Day ₹+150.00",
        )

    run_desk(scenario, seed_setup(2, 1))


@pytest.mark.row("OPS-24", "HRD-11")
def test_the_adjusted_stop_has_the_seeds_words(run_desk, seed_setup) -> None:
    async def scenario(rig):
        rig.tick(PE, 100.5)
        rig.request(Enter, side=Side.BUY)
        await rig.pass_s(0.015)
        rig.tick(PE, 99.2)
        await rig.pass_s(0.5)
        assert_said(rig, "[WARN] SL trigger 99.50 >= LTP 99.20, adjusting")

    run_desk(scenario, seed_setup(5, 1, symbols=(PE,), breached_stop="adjust"))


@pytest.mark.row("OPS-24", "I-5")
def test_a_mismatch_and_a_left_over_order_have_the_seeds_words(run_desk, seed_setup) -> None:
    from engine.order import OrderType
    from engine.port import OrderRequest

    async def scenario(rig):
        await rig.enter(100.0)
        hand = OrderRequest(
            tag="HAND", symbol=PE, exchange="NFO", product="MIS", side=Side.BUY, type=OrderType.LIMIT,
            qty=75, limit_paise=103_00, trigger_paise=0,
        )  # fmt: skip
        rig.exchange.place("paper", hand, rig.clock.now_ns())
        await rig.quiet(5.0, 102.0)
        assert_said(rig, f"[RECONCILE] {PE} State mismatch! Expected: +0, Actual: +75")

    run_desk(scenario, seed_setup(2, 1, symbols=(PE,)))


@pytest.mark.row("OPS-25")
def test_every_line_has_its_json_twin(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        await rig.quiet(2.0, {PE: 155.0, CE: 144.0})
        written = [twin["text"] for twin in rig.twins]
        assert written == rig.texts() and len(written) > 10
        for twin in rig.twins:
            assert {"time", "strategy", "symbol", "event", "tag", "level"} <= set(twin)
            assert twin["strategy"] == "random_scalp_live" and twin["event"]
        exit_twin = next(twin for twin in rig.twins if twin["event"] == "exit" and twin["symbol"] == PE)
        assert exit_twin["fields"]["reason"] == "Target Hit" and exit_twin["fields"]["net"] == "+375.00"

    run_desk(scenario, seed_setup())
