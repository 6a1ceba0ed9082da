"""Whole demo days in virtual time from one seed, with an oracle that holds the exchange's truth against the invariants.

The only place besides the command line that may know engine, brokers and tui together; it never loads Textual.
"""
