"""Dhan's logins as functions, against the venue; and what they say when it refuses."""

from __future__ import annotations

import httpx
import pytest

from brokers.dhan import login
from brokers.dhan.venue import DhanVenue
from brokers.wire.http import HttpLink
from engine.instant import NS_PER_DAY, clock_text, ist_date
from engine.port_reads import SessionRefused
from tui.paper_floor import PaperFloor

pytestmark = pytest.mark.row("OPS-12")
CLIENT = "1000000001"


def link_to(venue: DhanVenue, path: str = "") -> HttpLink:
    return HttpLink(f"http://127.0.0.1:{venue.port}{path}", dict, deadline_s=5)


async def test_consent_in_a_browser_brings_a_token(venue: DhanVenue, floor: PaperFloor) -> None:
    link = link_to(venue)
    consent = await login.begin_consent(link, CLIENT, "rehearsal-app", "rehearsal-secret")
    page = login.login_url(consent, f"http://127.0.0.1:{venue.port}")
    async with httpx.AsyncClient() as browser:
        ended_at = (await browser.get(page)).headers["location"]
    got = await login.consume_consent(link, login.token_id_in(ended_at), "rehearsal-app", "rehearsal-secret")
    await link.close()

    assert got.client_id == CLIENT and venue.logins.is_alive(got.token, CLIENT)
    assert 0 < got.expires_ns - floor.clock.now_ns() <= NS_PER_DAY
    assert got.token not in repr(got)


async def test_pin_with_totp_and_renewal(venue: DhanVenue) -> None:
    link, rest = link_to(venue), link_to(venue, "/v2")
    first = await login.login_with_totp(link, CLIENT, "rehearsal-pin", "123456")
    second = await login.renew(rest, CLIENT, first.token)
    assert venue.logins.is_alive(second.token, CLIENT) and not venue.logins.is_alive(first.token, CLIENT)

    with pytest.raises(SessionRefused, match="DH-901") as refused:
        await login.renew(rest, CLIENT, first.token)
    assert first.token not in str(refused.value)
    await link.close()
    await rest.close()


async def test_a_refusal_may_come_with_http_200_and_shows_no_secret(venue: DhanVenue) -> None:
    link = link_to(venue)
    with pytest.raises(SessionRefused, match="Invalid credentials") as refused:
        await login.login_with_totp(link, CLIENT, "8642", "975310")
    assert "8642" not in str(refused.value) and "975310" not in str(refused.value)
    with pytest.raises(SessionRefused):
        await login.begin_consent(link, CLIENT, "app", "wrong")
    with pytest.raises(SessionRefused):
        await login.consume_consent(link, "ABCDEFGH", "rehearsal-app", "rehearsal-secret")
    await link.close()


async def test_an_unreachable_login_says_so() -> None:
    link = HttpLink("http://127.0.0.1:9", dict, deadline_s=1)
    with pytest.raises(SessionRefused, match="cannot be reached"):
        await login.login_with_totp(link, CLIENT, "1", "2")
    await link.close()


def test_the_token_id_is_found_in_what_a_person_pastes() -> None:
    for text in (
        "ABCD-1234",
        "http://127.0.0.1/done?tokenId=ABCD-1234",
        " https://x.example/?a=1&tokenId=ABCD-1234#y ",
    ):
        assert login.token_id_in(text) == "ABCD-1234"
    for text in ("", "http://127.0.0.1/done", "tokenId=", "a b c d", "x" * 500, "http://x/?tokenId=../../orders"):
        with pytest.raises(SessionRefused):
            login.token_id_in(text)


def test_the_address_of_the_login_page_is_dhans() -> None:
    assert login.login_url("C&1") == "https://auth.dhan.co/login/consentApp-login?consentAppId=C%261"


def test_validity_is_read_in_ist() -> None:
    at_ns = login.valid_until_ns("25/07/2026 08:37")

    assert (str(ist_date(at_ns)), clock_text(at_ns)) == ("2026-07-25", "08:37:00")
    for text in ("", None, "2026-07-25", "99/99/2026 08:37", 5):
        assert login.valid_until_ns(text) == 0
