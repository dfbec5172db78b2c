"""How a message leaves: couriers, one outcome per recipient."""
