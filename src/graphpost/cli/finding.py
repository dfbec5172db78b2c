"""What a check found: its name, whether that is fine, and a line that says why."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

State = Literal["ok", "warn", "FAIL"]
_ORDER: Final = ("ok", "warn", "FAIL")


class Finding(NamedTuple):
    """`detail` says what is there, or what to do."""

    check: str
    state: State
    detail: str


def worst(check: str, findings: list[Finding]) -> Finding:
    """Several as one: the worst of them, with the words of those that are as bad, each once."""
    state = max((each.state for each in findings), key=_ORDER.index)
    return Finding(
        check, state, "; ".join(dict.fromkeys(each.detail for each in findings if each.state == state))
    )
