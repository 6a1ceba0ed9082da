"""Symphony XTS over the wire: the interactive and market-data adapters, and the loopback venue that rehearses them."""
