"""What a grid leaves behind when its desk stops: orders that go on resting, hedges that end with the program. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from engine.grid.bot import GridBot
from engine.grid.hedge import hedge_side
from engine.money import rupees_text
from engine.order import Order, Role

_WORDS = {Role.ENTRY: ("entry", "entries"), Role.TARGET: ("target", "targets"), Role.HEDGE: ("hedge", "hedges")}


def counted(orders: Iterable[Order]) -> str:
    """`2 entries, 1 target, 1 hedge`."""
    counts = Counter(order.role for order in orders)
    roles = sorted(counts, key=lambda role: list(Role).index(role))
    words = [(counts[role], _WORDS.get(role, (role.value, f"{role.value}s"))) for role in roles]
    return ", ".join(f"{count} {one if count == 1 else more}" for count, (one, more) in words)


def resting_words(bot: GridBot) -> list[str]:
    """What of it rests at its brokers, a line for each symbol: `IRFC: 2 entries, 1 target`."""
    resting: dict[str, list[Order]] = {}
    for bracket in bot.open_brackets():
        resting.setdefault(bracket.body.symbol, []).extend(order for order in bracket.mine if order.is_at_broker)
    return [f"{symbol}: {counted(orders)}" for symbol, orders in resting.items() if orders]


def unrested_hedges(bot: GridBot) -> list[str]:
    """Hedge units that open levels need and that do not rest: held back behind a nearer one, or only watched here."""
    found: list[str] = []
    for level in bot.body.levels if bot.terms.is_hedged else ():
        short = bot.hedge_need(level) - bot.covered_b(level) if level.is_filled else 0
        if short > 0:
            side = hedge_side(level.side, bot.terms.hedge_sign).value
            price = f"@ {rupees_text(level.hedge_paise)}" if level.hedge_paise else "without a price"
            found.append(f"{level.label} {side} {short} {bot.terms.token_b} {price}")
    return found


def held_words(bot: GridBot) -> str:
    """Its open positions by account: `+100 IRFC in paper, -50 SBIN in down`."""
    held: Counter[tuple[str, str]] = Counter()
    for bracket in bot.open_brackets():
        held[bracket.body.symbol, bracket.body.account] += bracket.net_qty
    return ", ".join(f"{qty:+d} {symbol} in {account}" for (symbol, account), qty in held.items() if qty)


def cancel_command(bot: GridBot) -> str:
    """What ends its orders from a shell, the journal lost or not (OPS-09)."""
    return f'strikedesk grid --bot-name "{bot.name}" --cancel-all --token-a {bot.terms.token_a}'
