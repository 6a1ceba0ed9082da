"""Zerodha Kite Connect v3: the adapter, and the loopback venue that speaks the same protocol (facts/kite.md)."""
