"""From a delivery that is due to its outcome, destination by destination."""
