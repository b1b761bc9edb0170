"""Events from message brokers: each counts once, because a stream's position is written with the events themselves."""
