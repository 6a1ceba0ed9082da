"""Twelve ways in which a connection breaks, and a venue that is not there, for every write of every adapter.

What the caller is told is compared with what is certain (faults §3): nothing that may have arrived is called unsent or
refused, nothing is sent twice, and whatever did arrive is found again by its tag.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from engine.order import OrderState, OrderType
from engine.port import Acked, NotSent, OrderChange, Unknown

WRITES = {
    "kite": (b"POST /orders/", b"PUT /orders/", b"DELETE /orders/"),
    "dhan": (b"POST /v2/orders", b"PUT /v2/orders", b"DELETE /v2/orders"),
    "openalgo": (b"POST /api/v1/placeorder", b"POST /api/v1/modifyorder", b"POST /api/v1/cancelorder"),
    "xts": (b"POST /interactive/orders", b"PUT /interactive/orders", b"DELETE /interactive/orders"),
}
MODES = (
    "black_hole", "drip", "fin_before_response", "html_200", "html_502", "redirect_307", "response_dropped",
    "rst_before_response", "rst_mid_request", "slow", "truncated", "rst_on_accept",
)  # fmt: skip


@pytest.mark.row("OPS-05")
@pytest.mark.fault("ORD-01", "ORD-02", "ORD-05", "ORD-06", "ORD-07", "ORD-08", "ORD-10", "ORD-11", "NET-03", "NET-04")
async def test_no_broken_connection_is_misclassified(made_rig: Any, proxy_to: Any, is_done_in: Any) -> None:
    proxy, made_rig.port = await proxy_to(made_rig.venue.port)
    proxy.strikes = lambda head: head.startswith(WRITES[made_rig.kind])
    made_rig.deadline_s = 0.4
    await made_rig.open()
    account = made_rig.session.account
    resting = await made_rig.request(away_paise=2000)
    placed = await account.place(resting)
    assert isinstance(placed, Acked)
    wrong: list[str] = []
    done: list[str] = []
    for number, mode in enumerate(MODES, 1):
        # Prices that differ for certain: without a tag an order is told from another by them.
        request = await made_rig.request(limit_paise=resting.limit_paise - 100 * number)
        change = OrderChange(
            tag=resting.tag, broker_id=placed.broker_id, type=OrderType.LIMIT, qty=resting.qty,
            limit_paise=resting.limit_paise - 5 * number, trigger_paise=0,
        )  # fmt: skip
        for verb in ("place", "modify", "cancel"):
            if mode == "rst_on_accept":
                proxy.hang_up()
            proxy.mode, before = mode, proxy.struck
            match verb:
                case "place":
                    answer = await account.place(request)
                case "modify":
                    answer = await account.modify(change)
                case _:
                    answer = await account.cancel(resting.tag, placed.broker_id)
            proxy.mode = "pass"
            if not isinstance(answer, Unknown) or (mode != "rst_on_accept" and proxy.struck != before + 1):
                wrong.append(f"{mode} {verb}: {answer}, struck {proxy.struck - before} times")
        if is_done_in(mode):
            done.append(request.tag)
    assert wrong == []
    tags = {row.tag for row in await account.read_orders()}
    assert set(done) <= tags, "what arrived is found by its tag"
    assert len(made_rig.scripted.placed) == 1 + len(done), "nothing was sent twice"


@pytest.mark.row("OPS-05")
@pytest.mark.fault("ORD-04")
async def test_a_venue_that_is_not_there_was_sent_nothing(made_rig: Any, proxy_to: Any) -> None:
    proxy, made_rig.port = await proxy_to(made_rig.venue.port)
    made_rig.deadline_s = 1.0
    await made_rig.open()
    account = made_rig.session.account
    request = await made_rig.request(away_paise=2000)
    placed = await account.place(request)
    assert isinstance(placed, Acked)
    await made_rig.until_state(request.tag, OrderState.WORKING)
    await proxy.close()
    change = OrderChange(
        tag=request.tag, broker_id=placed.broker_id, type=OrderType.LIMIT, qty=request.qty,
        limit_paise=request.limit_paise - 5, trigger_paise=0,
    )  # fmt: skip

    another = msgspec.structs.replace(request, tag="SDTEST999999E", limit_paise=request.limit_paise - 300)
    assert isinstance(await account.place(another), NotSent)
    assert isinstance(await account.modify(change), NotSent)
    assert isinstance(await account.cancel(request.tag, placed.broker_id), NotSent)
    assert len(made_rig.scripted.placed) == 1
