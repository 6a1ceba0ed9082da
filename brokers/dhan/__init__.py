"""DhanHQ v2: the adapter behind the engine's ports, and its loopback venue."""
