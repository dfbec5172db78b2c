"""Writes a filter tree as text, every condition in parentheses: the parser's inverse."""

from datetime import UTC, datetime, timedelta

from graphpost.odata.filter import And, Comparison, Function, Lambda, Literal, Node, Not, Operand, Or, Path

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def printed(node: Node) -> str:
    match node:
        case And():
            return f"({printed(node.left)} and {printed(node.right)})"
        case Or():
            return f"({printed(node.left)} or {printed(node.right)})"
        case Not():
            return f"(not {printed(node.operand)})"
        case Comparison():
            return f"({operand(node.left)} {node.operator} {operand(node.right)})"
        case Lambda():
            inner = f"{node.variable}:{printed(node.condition)}" if node.condition else ""
            return f"{'/'.join(node.path.segments)}/{node.kind}({inner})"
        case Function() | Path():
            return operand(node)


def operand(value: Operand) -> str:
    match value:
        case Path():
            return "/".join(value.segments)
        case Function():
            return f"{value.name}({','.join(map(operand, value.arguments))})"
        case Literal():
            return literal(value)


def literal(value: Literal) -> str:
    match value.kind:
        case "string":
            return "'" + str(value.value).replace("'", "''") + "'"
        case "datetime":
            moment = EPOCH + timedelta(microseconds=int(value.value))
            return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")
        case "boolean" | "null":
            return {True: "true", False: "false", None: "null"}[value.value]
        case _:
            return str(value.value)
