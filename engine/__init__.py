"""Decides and remembers: turns market and order events into order commands and keeps every fact in SQLite.

Imports nothing of `tui` and nothing of `brokers`; brokers implement `engine.port`.
Prices are integer paise, quantities integer units, instants integer nanoseconds since the epoch (UTC).
"""
