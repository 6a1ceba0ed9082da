"""Exit rules, one per module (design §5.6)."""
