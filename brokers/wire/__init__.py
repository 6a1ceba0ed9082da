"""What the adapters of all brokers share: one HTTP call, one stream, tolerant numbers, counted oddities."""
