"""What is wrong with a query option, and where."""

from __future__ import annotations

from graphpost.errors import GraphpostError


class ODataError(GraphpostError):
    """`position` counts characters from 0 within the option's value; `option` is its name, such as `$filter`."""

    def __init__(self, message: str, position: int = 0, option: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.position = position
        self.option = option
