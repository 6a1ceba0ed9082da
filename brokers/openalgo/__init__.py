"""An OpenAlgo server as a broker: REST and the WebSocket proxy (facts/openalgo.md), and its loopback venue."""
