"""The paper exchange: a real venue in this process, with its own books, its own clock and its own rules."""
