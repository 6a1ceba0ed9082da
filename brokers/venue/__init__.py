"""What the rehearsal venues of all brokers share: a loopback site over the paper exchange, and its bad manners."""
