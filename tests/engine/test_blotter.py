"""Answers, reports and trade records merged into orders: late, doubled, reordered, early, foreign, contradicting."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import refusals
from engine.blotter import ABSENT, NOT_SENT, WITHDRAWN, Blotter, provisional_price
from engine.instant import NS_PER_S
from engine.order import Order, OrderState, OrderType, Pending, Role, Side, Trade
from engine.port import Acked, Answer, NotSent, OrderReport, Refused, Unknown

S = OrderState
AT = 1_000
TAG = "SD000100001T"
ID = "240001"


def make_order(**fields: object) -> Order:
    made = Order(
        tag=TAG,
        account="A",
        bracket_id="B1",
        bot="legs",
        role=Role.TARGET,
        symbol="X",
        exchange="NFO",
        product="MIS",
        side=Side.SELL,
        type=OrderType.LIMIT,
        qty=75,
        limit_paise=155_00,
    )
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def blotter_with(**fields: object) -> tuple[Blotter, Order]:
    blotter, order = Blotter(), make_order(**fields)
    blotter.add(order)
    return blotter, order


def report(state: OrderState = S.WORKING, filled: int = 0, average: int = 0, **fields: object) -> OrderReport:
    base: dict[str, object] = {
        "tag": TAG,
        "broker_id": ID,
        "symbol": "X",
        "side": Side.SELL,
        "type": OrderType.LIMIT,
        "product": "MIS",
        "qty": 75,
        "limit_paise": 155_00,
        "trigger_paise": 0,
        "state": state,
        "filled_qty": filled,
        "average_paise": average,
    }
    return OrderReport(**{**base, **fields})  # type: ignore[arg-type]


def trade(number: int, qty: int, price: int = 155_00, *, tag: str = TAG, broker_id: str = ID) -> Trade:
    return Trade(
        trade_id=f"T{number}",
        broker_id=broker_id,
        tag=tag,
        symbol="X",
        side=Side.SELL,
        qty=qty,
        price_paise=price,
        at_ns=AT,
    )


# --- answers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order_type", "answer", "state", "code"),
    [
        (OrderType.LIMIT, Acked(ID), S.WORKING, ""),
        (OrderType.MARKET, Acked(ID), S.WORKING, ""),
        (OrderType.SL, Acked(ID), S.TRIGGER_PENDING, ""),
        (OrderType.SL_M, Acked(ID), S.TRIGGER_PENDING, ""),
        (OrderType.LIMIT, Refused(refusals.MARGIN, "no money"), S.REJECTED, refusals.MARGIN),
        (OrderType.LIMIT, NotSent("no route"), S.REJECTED, NOT_SENT),
        (OrderType.LIMIT, Unknown("timeout"), S.UNKNOWN, ""),
    ],
)
def test_the_four_answers_to_a_placement(order_type: OrderType, answer: Answer, state: OrderState, code: str) -> None:
    blotter, order = blotter_with(type=order_type)
    blotter.apply_place_answer(TAG, answer, AT)

    assert (state, code) == (order.state, order.reject_code)


@pytest.mark.parametrize("answer", [Acked(ID), Refused("margin", "no"), NotSent("x"), Unknown("y")])
@pytest.mark.fault("ORD-24", "UPD-01")
@pytest.mark.invariant("O6")
def test_a_report_that_overtook_the_answer_outranks_it(answer: Answer) -> None:
    """UPD-01: the fill is known before the place call returns."""
    blotter, order = blotter_with()
    blotter.apply_report("A", report(S.PART_FILLED, 50, 155_00), AT)
    blotter.apply_place_answer(TAG, answer, AT)

    assert (order.state, order.filled_qty, order.reject_code) == (S.PART_FILLED, 50, "")


def modified(**fields: object) -> tuple[Blotter, Order]:
    return blotter_with(
        state=S.WORKING,
        broker_id=ID,
        pending=Pending.MODIFY,
        asked_qty=25,
        asked_limit_paise=154_00,
        asked_trigger_paise=0,
        **fields,
    )


def test_an_accepted_modify_becomes_the_orders_terms() -> None:
    blotter, order = modified()
    blotter.apply_modify_answer(TAG, Acked(ID), AT)

    assert (order.qty, order.limit_paise, order.pending, order.modify_count) == (25, 154_00, Pending.NONE, 1)


@pytest.mark.parametrize(("answer", "code"), [(Refused("other", "no"), "other"), (NotSent("no route"), NOT_SENT)])
def test_a_modify_that_was_not_done_leaves_the_old_terms_and_says_why(answer: Answer, code: str) -> None:
    blotter, order = modified()
    blotter.apply_modify_answer(TAG, answer, AT)

    assert (75, 155_00, Pending.NONE, code, 0) == (
        order.qty,
        order.limit_paise,
        order.pending,
        order.reject_code,
        order.modify_count,
    )


@pytest.mark.parametrize(("answer", "code"), [(Refused("other", "no"), "other"), (NotSent("no route"), NOT_SENT)])
def test_a_cancel_that_was_not_done_leaves_the_order_working_and_says_why(answer: Answer, code: str) -> None:
    blotter, order = blotter_with(state=S.WORKING, broker_id=ID, pending=Pending.CANCEL)
    blotter.apply_cancel_answer(TAG, answer, AT)

    assert (order.state, order.pending, order.reject_code) == (S.WORKING, Pending.NONE, code)


def unknown_modify() -> tuple[Blotter, Order]:
    blotter, order = modified()
    blotter.apply_modify_answer(TAG, Unknown("timeout"), AT)
    return blotter, order


def test_an_unknown_modify_is_settled_as_done_by_a_row_with_the_new_terms() -> None:
    blotter, order = unknown_modify()
    assert Pending.MODIFY_UNKNOWN is order.pending

    blotter.apply_report("A", report(qty=25, limit_paise=154_00), AT + 1, read_ns=AT + 1)

    assert (order.qty, order.limit_paise, order.pending, order.modify_count) == (25, 154_00, Pending.NONE, 1)


@pytest.mark.fault("ORD-21")
def test_an_unknown_modify_is_settled_as_not_done_only_by_a_read_that_began_after_it() -> None:
    blotter, order = unknown_modify()

    for read_ns in (0, AT - 1, AT):  # a push, and reads that may be older than the change
        blotter.apply_report("A", report(), AT + 1, read_ns=read_ns)
        assert Pending.MODIFY_UNKNOWN is order.pending
    blotter.apply_report("A", report(), AT + 2, read_ns=AT + 1)
    assert (order.qty, order.pending, order.modify_count) == (
        75,
        Pending.NONE,
        1,
    )  # the broker may have counted the try


def test_an_unknown_modify_is_settled_by_terms_that_somebody_else_set() -> None:
    """HUM-04: neither ours before nor ours asked; what the broker shows is true."""
    blotter, order = unknown_modify()
    blotter.apply_report("A", report(qty=50, limit_paise=156_00), AT + 2, read_ns=AT + 1)

    assert (order.qty, order.limit_paise, order.pending) == (50, 156_00, Pending.NONE)


@pytest.mark.parametrize("pending", [Pending.CANCEL, Pending.CANCEL_UNKNOWN])
@pytest.mark.parametrize(
    ("answer", "qty", "asked_qty"), [(Acked(ID), 25, 0), (NotSent("overtaken"), 75, 0), (Unknown("timeout"), 75, 25)]
)
def test_the_answer_to_a_modify_tells_the_terms_also_of_an_order_that_is_being_cancelled(
    pending: Pending, answer: Answer, qty: int, asked_qty: int
) -> None:
    blotter, order = modified()
    order.pending = pending
    blotter.apply_modify_answer(TAG, answer, AT)

    assert (order.qty, order.asked_qty, order.pending) == (qty, asked_qty, pending)


def test_a_refused_cancel_leaves_the_modify_before_it_in_doubt() -> None:
    blotter, order = modified()
    order.pending = Pending.CANCEL
    blotter.apply_cancel_answer(TAG, Refused("already_finished", "no"), AT)

    assert (order.pending, order.sure_qty, order.remaining_qty) == (Pending.MODIFY_UNKNOWN, 25, 75)


def test_an_unknown_cancel_after_an_unknown_modify_is_settled_by_what_a_later_read_shows() -> None:
    blotter, order = modified()
    order.pending = Pending.CANCEL
    blotter.apply_cancel_answer(TAG, Unknown("timeout"), AT)
    blotter.apply_report("A", report(qty=25, limit_paise=154_00), AT + 2, read_ns=AT + 1)

    assert (order.pending, order.qty, order.limit_paise, order.sure_qty) == (Pending.NONE, 25, 154_00, 25)


@pytest.mark.fault("ORD-16")
def test_an_unknown_cancel_that_a_later_read_shows_working_may_be_asked_again() -> None:
    blotter, order = blotter_with(state=S.WORKING, broker_id=ID, pending=Pending.CANCEL)
    blotter.apply_cancel_answer(TAG, Unknown("timeout"), AT)

    blotter.apply_report("A", report(), AT + 1, read_ns=AT)
    assert Pending.CANCEL_UNKNOWN is order.pending
    blotter.apply_report("A", report(), AT + 2, read_ns=AT + 1)
    assert (order.pending, order.state) == (Pending.NONE, S.WORKING)


def test_an_order_larger_at_the_broker_than_believed_is_believed_larger() -> None:
    """A modify thought refused was done after all: exits are counted by their larger size (E1)."""
    blotter, order = blotter_with(state=S.WORKING, broker_id=ID, qty=50)
    blotter.apply_report("A", report(qty=75), AT)

    assert order.remaining_qty == 75


@pytest.mark.row("I-5")
def test_an_accepted_cancel_is_not_yet_a_cancelled_order() -> None:
    blotter, order = blotter_with(state=S.WORKING, broker_id=ID, pending=Pending.CANCEL)
    blotter.apply_cancel_answer(TAG, Acked(ID), AT)
    assert (order.state, order.pending, order.remaining_qty) == (S.WORKING, Pending.CANCEL, 75)

    blotter.apply_report("A", report(S.CANCELLED, 25, 155_00), AT)
    assert (order.state, order.pending, order.filled_qty) == (S.CANCELLED, Pending.NONE, 25)


def test_answers_to_a_finished_order_change_nothing() -> None:
    blotter, order = blotter_with(state=S.FILLED, broker_id=ID, filled_qty=75)
    blotter.apply_cancel_answer(TAG, Refused("already_finished", "complete"), AT)
    blotter.apply_modify_answer(TAG, Acked(ID), AT)
    blotter.apply_place_answer(TAG, Unknown("late"), AT)

    assert (order.state, order.reject_code, order.modify_count) == (S.FILLED, "", 0)


def test_only_an_unsent_order_can_be_withdrawn() -> None:
    blotter, order = blotter_with()
    blotter.withdraw(TAG, AT)
    assert (order.state, order.reject_code) == (S.CANCELLED, WITHDRAWN)

    blotter, order = blotter_with(state=S.WORKING)
    blotter.withdraw(TAG, AT)
    assert S.WORKING is order.state


def test_live_orders_and_lacking_records_are_what_a_walk_over_all_orders_would_find() -> None:
    """Both are kept beside the orders; whatever happens to these, they say what the orders say."""
    random = Random(7)
    for _ in range(60):
        blotter = Blotter()
        for number in range(8):
            blotter.add(make_order(tag=f"{TAG}{number}", state=S.SENT))
        for step in range(40):
            tag = random.choice(list(blotter.orders))
            match random.randrange(5):
                case 0:
                    blotter.prove_absent(tag, AT + step)
                case 1:
                    filled = random.choice([0, 30, 75])
                    state = {0: S.WORKING, 30: S.PART_FILLED, 75: S.FILLED}[filled]
                    news = report(state, filled, 155_00, tag=tag, broker_id=f"B{tag}")
                    blotter.apply_report("A", news, AT + step)
                case 2:
                    blotter.apply_trade("A", trade_of(tag, random.choice([30, 75])), AT + step)
                case 3:
                    news = report(S.CANCELLED, tag=tag, broker_id=f"B{tag}")
                    blotter.apply_report("A", news, AT + step)
                case _:
                    blotter.forget_finished(random.randrange(4, 9))
            walked = [order for order in blotter.orders.values() if order.is_live]
            assert [order.tag for order in blotter.live_orders()] == [order.tag for order in walked]
            provisional = any(order.is_provisional for order in blotter.orders.values())
            assert (blotter.lacks_records("A"), blotter.lacks_records("B")) == (provisional, False)


def trade_of(tag: str, qty: int) -> Trade:
    broker_id = f"B{tag}"
    return Trade(
        trade_id=f"T{tag}{qty}", broker_id=broker_id, tag=tag, symbol="X", side=Side.SELL, qty=qty,
        price_paise=155_00, at_ns=AT,
    )  # fmt: skip


# --- absence and ghosts ----------------------------------------------------------------------------------------------


def test_absence_is_a_refusal_with_its_own_code_and_needs_an_unanswered_order() -> None:
    blotter, order = blotter_with(state=S.UNKNOWN)
    blotter.prove_absent(TAG, AT)
    assert (order.state, order.reject_code) == (S.REJECTED, ABSENT)

    blotter, order = blotter_with(state=S.WORKING)
    blotter.prove_absent(TAG, AT)
    assert S.WORKING is order.state


@pytest.mark.parametrize(
    ("news", "state"),
    [
        (report(), S.WORKING),
        (report(S.PART_FILLED, 25, 155_00), S.PART_FILLED),
        (report(S.FILLED, 75, 155_00), S.FILLED),
        (report(S.CANCELLED), S.CANCELLED),
        (trade(1, 25), S.PART_FILLED),
    ],
)
@pytest.mark.fault("ORD-03")
def test_an_order_proven_absent_that_appears_is_a_ghost_and_lives_again(
    news: OrderReport | Trade, state: OrderState
) -> None:
    """ORD-03."""
    blotter, order = blotter_with(state=S.UNKNOWN)
    blotter.prove_absent(TAG, AT)
    if isinstance(news, Trade):
        blotter.apply_trade("A", news, AT)
    else:
        blotter.apply_report("A", news, AT)

    assert (state, "") == (order.state, order.reject_code)


def test_an_order_the_broker_refused_stays_refused_when_an_older_report_comes() -> None:
    """UPD-03."""
    blotter, order = blotter_with()
    blotter.apply_report("A", report(S.REJECTED, reject_text="margin"), AT)
    blotter.apply_report("A", report(S.WORKING), AT)

    assert (order.state, order.reject_code, order.reject_text) == (S.REJECTED, refusals.OTHER, "margin")


# --- reports and trades ----------------------------------------------------------------------------------------------


@pytest.mark.fault("UPD-01")
@pytest.mark.invariant("A2")
def test_a_trade_that_comes_before_its_order_is_known_is_kept_and_booked_once() -> None:
    """UPD-01 for brokers whose trade records carry no tag."""
    blotter, order = blotter_with()
    early = [trade(1, 25, tag=""), trade(2, 50, 156_00, tag=""), trade(1, 25, tag="")]

    assert [blotter.apply_trade("A", one, AT) for one in early] == [(None, False)] * 3
    blotter.apply_place_answer(TAG, Acked(ID), AT)

    assert (order.state, order.traded_qty, order.traded_value_paise) == (S.FILLED, 75, 25 * 155_00 + 50 * 156_00)
    assert (order, False) == blotter.apply_trade("A", early[0], AT)
    assert [(one.trade_id, one.tag) for _, one in blotter.take_booked()] == [("T1", TAG), ("T2", TAG)]
    assert blotter.take_booked() == []


@pytest.mark.row("I-8")
@pytest.mark.fault("UPD-07")
def test_foreign_orders_and_trades_are_counted_and_touch_nothing() -> None:
    """UPD-07."""
    blotter, order = blotter_with(state=S.WORKING, broker_id=ID)
    assert blotter.apply_report("A", report(S.FILLED, 75, tag="MANUAL", broker_id="999"), AT) is None
    assert blotter.apply_trade("A", trade(9, 75, tag="", broker_id="999"), AT) == (None, False)
    assert blotter.apply_report("B", report(S.FILLED, 75), AT) is None  # the same tag in another account

    assert (order.state, order.filled_qty) == (S.WORKING, 0)
    assert {("A", "999"), ("B", ID)} == blotter.foreign_ids


def test_of_one_unknown_order_a_hundred_early_trades_are_kept() -> None:
    blotter, order = blotter_with(qty=1_000)
    for number in range(150):
        blotter.apply_trade("A", trade(number, 1, tag=""), AT)
    blotter.apply_place_answer(TAG, Acked(ID), AT)

    assert order.traded_qty == 100


@pytest.mark.parametrize(
    ("ours", "shown", "is_his"),
    [
        ({}, {"limit_paise": 156_00}, True),
        ({}, {"qty": 50}, True),
        ({"type": OrderType.SL, "trigger_paise": 140_00}, {"type": OrderType.SL, "trigger_paise": 139_00}, True),
        ({"type": OrderType.SL, "trigger_paise": 140_00}, {"type": OrderType.SL, "trigger_paise": 0}, False),
        ({"type": OrderType.SL, "trigger_paise": 140_00}, {"limit_paise": 156_00}, False),  # another type: not told yet
        ({"type": OrderType.MARKET}, {"type": OrderType.MARKET, "limit_paise": 156_00}, False),  # the venue's affair
        ({}, {"limit_paise": 0}, False),  # a gateway that leaves prices out
        ({}, {"qty": 0}, False),
        ({}, {}, False),
        ({"pending": Pending.CANCEL}, {"limit_paise": 156_00}, False),  # a change of ours is on its way
        ({}, {"limit_paise": 156_00, "state": S.CANCELLED}, False),
    ],
)
@pytest.mark.fault("HUM-04")
def test_terms_that_nobody_here_asked_for_are_the_traders(
    ours: dict[str, object], shown: dict[str, object], is_his: bool
) -> None:
    blotter, order = blotter_with(state=S.WORKING, broker_id=ID, **ours)
    before = f"75 155.00/{order.trigger_paise // 100}.00"

    blotter.apply_report("A", report(**shown), AT, read_ns=60 * NS_PER_S)  # type: ignore[arg-type]
    assert blotter.take_hand_changes() == ([(order, before)] if is_his else [])
    assert blotter.take_hand_changes() == []


def test_an_order_is_found_by_either_of_its_names() -> None:
    blotter, order = blotter_with(state=S.WORKING, broker_id=ID)

    assert blotter.find("A", report(tag="")) is order
    assert blotter.find("A", trade(1, 1, broker_id="")) is order
    assert blotter.find("B", report()) is None


@pytest.mark.parametrize("answer", [Refused("X", "no"), NotSent("offline")])
def test_a_refusal_is_dated(answer: Answer) -> None:
    blotter, order = blotter_with()
    blotter.apply_place_answer(TAG, answer, AT)

    assert (order.state, order.state_ns) == (S.REJECTED, AT)


def test_every_accepted_change_counts_towards_the_brokers_cap_and_is_dated() -> None:
    blotter, order = blotter_with(state=S.WORKING, broker_id=ID)
    for number in (1, 2, 3):
        order.pending, order.asked_qty, order.asked_limit_paise = Pending.MODIFY, 75, 155_00 + number
        blotter.apply_modify_answer(TAG, Acked(ID), 60 * NS_PER_S)
        assert order.modify_count == number

    older = report(limit_paise=155_00)
    blotter.apply_report("A", older, AT, read_ns=61 * NS_PER_S)
    assert (blotter.take_hand_changes(), order.limit_paise) == ([], 155_03), "a book from before the change showed"


def test_a_ghost_is_dated_by_when_it_appeared() -> None:
    blotter, order = blotter_with(state=S.UNKNOWN)
    blotter.prove_absent(TAG, AT)
    blotter.apply_report("A", report(), AT + 5)

    assert (order.state, order.state_ns) == (S.WORKING, AT + 5)


def test_a_trade_without_quantity_is_not_new() -> None:
    """UPD-10."""
    blotter, order = blotter_with(state=S.WORKING, broker_id=ID)

    assert (order, False) == blotter.apply_trade("A", trade(1, -75), AT)
    assert (order, False) == blotter.apply_trade("A", trade(1, 0), AT)
    assert (order, True) == blotter.apply_trade("A", trade(1, 75), AT)


@pytest.mark.fault("ORD-13")
def test_a_report_is_found_by_broker_id_when_the_broker_drops_tags() -> None:
    """ORD-13."""
    blotter, order = blotter_with()
    blotter.apply_place_answer(TAG, Acked(ID), AT)
    blotter.apply_report("A", report(S.PART_FILLED, 50, tag=""), AT)

    assert order.filled_qty == 50


@pytest.mark.fault("ORD-26")
def test_a_filled_row_that_lacks_its_fills_is_not_believed() -> None:
    """ORD-26: a gateway may carry another order's status; trades will say."""
    blotter, order = blotter_with(state=S.WORKING, broker_id=ID)
    blotter.apply_report("A", report(S.FILLED, 0), AT)

    assert (order.state, order.filled_qty) == (S.WORKING, 0)


@pytest.mark.row("LEG-48")
@pytest.mark.parametrize(
    ("traded", "filled", "average", "price"),
    [
        (0, 75, 156_00, 156_00),  # the report's own average
        (50, 75, 156_00, 158_00),  # what the average implies for the rest: (75x156 - 50x155) / 25
        (0, 75, 0, 155_00),  # no average: the limit
        (75, 75, 156_00, 155_00),  # nothing is missing
    ],
)
def test_fills_without_records_are_priced_by_what_is_known(traded: int, filled: int, average: int, price: int) -> None:
    order = make_order(traded_qty=traded, filled_qty=traded, traded_value_paise=traded * 155_00)

    assert price == provisional_price(order, report(S.FILLED, filled, average))


def test_a_stop_market_without_an_average_is_priced_by_its_trigger_never_by_zero() -> None:
    order = make_order(type=OrderType.SL_M, limit_paise=0, trigger_paise=145_00)

    assert provisional_price(order, report(S.FILLED, 75, 0)) == 145_00


@pytest.mark.fault("PRC-11")
@pytest.mark.invariant("X3")
def test_memory_is_bounded_by_forgetting_the_oldest_finished_orders() -> None:
    blotter = Blotter()
    for number in range(10):
        state = S.WORKING if number == 0 else S.FILLED
        blotter.add(make_order(tag=f"T{number}", broker_id=str(number), state=state))
    blotter.forget_finished(3)

    assert list(blotter.orders) == ["T0", "T7", "T8", "T9"]
    assert blotter.apply_report("A", report(tag="", broker_id="1"), AT) is None


# --- the merge is monotone and order does not matter ---------------------------------------------------------------

Stream = list[OrderReport | Trade]


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    """What a truthful broker could send of one order: rows along its life and one record per execution."""
    parts = draw(st.lists(st.integers(1, 30), max_size=5))
    while sum(parts) > 75:
        parts.pop()
    news: Stream = [report(S.TRIGGER_PENDING), report(S.WORKING)]
    filled = value = 0
    for number, qty in enumerate(parts):
        price = draw(st.integers(100_00, 200_00))
        filled, value = filled + qty, value + qty * price
        state = S.FILLED if filled == 75 else S.PART_FILLED
        news += [trade(number, qty, price), report(state, filled, value // filled)]
    if filled < 75 and draw(st.booleans()):
        end = draw(st.sampled_from([S.CANCELLED, S.EXPIRED] + [S.REJECTED] * (not filled)))
        news.append(report(end, filled, value // filled if filled else 0))
    return news


def outcome(news: Stream) -> tuple[object, ...]:
    blotter, order = blotter_with(broker_id=ID)
    for one in news:
        filled, terminal = order.filled_qty, order.is_terminal
        if isinstance(one, Trade):
            blotter.apply_trade("A", one, AT)
        else:
            blotter.apply_report("A", one, AT)
        assert order.filled_qty >= filled
        assert order.is_terminal >= terminal
    return order.state, order.qty, order.filled_qty, order.traded_qty, order.traded_value_paise, sorted(order.trade_ids)


@pytest.mark.row("I-6")
@given(streams(), st.randoms(use_true_random=False), st.lists(st.integers(0, 20), max_size=8))
@pytest.mark.fault("UPD-02", "UPD-03")
@pytest.mark.invariant("O6", "A2")
def test_any_order_of_any_doubles_gives_the_same_order(news: Stream, random: Random, doubles: list[int]) -> None:
    shuffled = news + [news[index % len(news)] for index in doubles]
    random.shuffle(shuffled)

    assert outcome(news) == outcome(shuffled)


@pytest.mark.row("LEG-48")
@pytest.mark.parametrize(
    ("side", "last", "price"), [(Side.BUY, 142_00, 142_00), (Side.BUY, 150_00, 145_00), (Side.SELL, 148_00, 148_00)]
)
def test_a_market_fill_without_an_average_is_assumed_at_the_last_price_never_worse_than_its_limit(
    side: Side, last: int, price: int
) -> None:
    order = make_order(type=OrderType.MARKET, side=side, limit_paise=145_00)

    assert provisional_price(order, report(S.FILLED, 75, 0), last) == price


@pytest.mark.fault("REJ-01", "REJ-05")
@pytest.mark.parametrize(("told", "code"), [("trigger_crossed", "trigger_crossed"), ("", "other")])
def test_a_late_refusal_is_known_by_its_code(told: str, code: str) -> None:
    """Accepted at first: the reason comes with the order book, and is acted on as if it had been the answer."""
    blotter, order = blotter_with(state=S.WORKING, broker_id=ID)
    blotter.apply_report("A", report(S.REJECTED, reject_text="words", reject_code=told), AT)

    assert (order.state, order.reject_code, order.reject_text) == (S.REJECTED, code, "words")
