"""The ASGI application: request ids, body limits, mounts, exceptions to responses."""
