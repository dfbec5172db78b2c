"""Messages that go out: sent at once, drafted, answered, deferred."""
