"""The misbehaving venue: named faults around the paper exchange, scripted or seeded, each written down."""
