"""The vocabulary: statuses, events, errors and the pure rules over them. No I/O here."""
