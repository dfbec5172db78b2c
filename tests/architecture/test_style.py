"""The few habits that a test can hold: summaries, sizes, no mocks, no sleeping tests."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = sorted((ROOT / "src/graphpost").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
MOST_LINES = 400

# Longer modules, each with its reason.
LONG: dict[str, str] = {
    "src/graphpost/web/connection.py": "one connection from its first byte to its end: the parser calls back, and every end is one state",
}


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("file", SOURCE, ids=named)
def test_a_module_begins_with_its_summary(file: Path) -> None:
    text = ast.get_docstring(ast.parse(file.read_text("utf-8")))
    assert text, "no docstring"
    summary, _, rest = text.partition("\n")
    assert len(summary) <= 80
    assert summary.endswith(".")
    assert rest == "" or rest.startswith("\n")


@pytest.mark.parametrize("file", SOURCE, ids=named)
def test_a_module_is_short_or_says_why(file: Path) -> None:
    lines = len(file.read_text("utf-8").splitlines())
    assert lines <= MOST_LINES or LONG.get(named(file)), f"{lines} lines"


def imported(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module or ""}
    return names


@pytest.mark.parametrize("file", TESTS, ids=named)
def test_tests_mock_nothing(file: Path) -> None:
    names = imported(ast.parse(file.read_text("utf-8")))
    assert not {name for name in names if re.match(r"(unittest\.mock|mock)\b", name)}


@pytest.mark.parametrize("file", TESTS, ids=named)
def test_tests_do_not_sleep(file: Path) -> None:
    sleepy = {"time", "asyncio", "anyio", "trio"}
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "sleep":
            owner = node.func.value
            zero = len(node.args) == 1 and isinstance(node.args[0], ast.Constant) and node.args[0].value == 0
            assert zero or not (isinstance(owner, ast.Name) and owner.id in sleepy), f"line {node.lineno}"
        if isinstance(node, ast.ImportFrom) and node.module in sleepy:
            assert "sleep" not in {alias.name for alias in node.names}, f"line {node.lineno}"


@pytest.mark.parametrize("file", SOURCE, ids=named)
def test_only_the_clock_reads_the_time_of_day(file: Path) -> None:
    if file.name == "clock.py":
        return
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            read = f"{node.value.id}.{node.attr}"
            assert read not in ("time.time", "time.time_ns", "datetime.now", "datetime.utcnow"), (
                f"line {node.lineno}"
            )
