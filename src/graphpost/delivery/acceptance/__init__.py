"""A message accepted: durable with its deliveries, now or when its time has come."""
