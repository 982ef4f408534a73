"""Ways in: each protocol's payloads, translated to domain events at the edge."""
