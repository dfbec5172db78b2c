"""HTTP: connections, request ids, body limits, mounts, exceptions to responses."""
