"""Imports go down only, packages of one layer don't know each other, and there are no cycles.

The same holds inside `auth`, `delivery`, `graph` and `store`, for their groups and for the modules that stand beside them.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src/graphpost"

# From the top down; a line may import what stands below it.
LAYERS = (
    ("__main__",),
    ("cli", "testing"),
    ("server",),
    ("web",),
    ("graph", "admin", "inbound"),
    ("auditing", "auth", "authenticity", "delivery", "notifications", "throttling"),
    ("store", "transport"),
    ("odata", "mail"),
    ("maillog",),
    ("eventlog",),
    ("certified", "config", "metrics", "sockets"),
    ("tls",),
    ("addresses", "clock", "ids", "errors", "files", "loglines", "process"),
)
GROUPS = {
    "auth": (
        ("issuer", "verification"),
        ("key_watch", "signing_in"),
        ("guesses",),
        ("access", "authority", "keys", "throttle"),
        ("key_files",),
        ("protocol",),
        ("trail",),
    ),
    "delivery": (
        ("acceptance", "housekeeping", "outbound"),
        ("queue",),
        ("arrival",),
        ("responses",),
        ("queueing", "quotas", "settle"),
        ("filing", "routing", "schedule"),
        ("items",),
    ),
    "graph": (
        ("api",),
        ("audited",),
        ("routes",),
        ("batch", "delta", "metadata"),
        ("messages", "notifications", "users"),
        ("folders", "model", "sending"),
        ("answers", "attachments", "settings"),
        ("batch_in", "envelope", "render"),
        ("prefer", "queries", "receipting", "writing"),
        ("bodies", "conditions", "keys", "standing", "streaming"),
        ("call", "converting", "html", "schema"),
    ),
    "store": (
        ("databases", "directory", "notifications", "search"),
        ("mailbox",),
        ("queue",),
        ("audit", "contents", "repeats", "usage"),
        ("blobs",),
        ("parts", "store"),
    ),
}


def heights(lines: tuple[tuple[str, ...], ...]) -> dict[str, int]:
    return {name: -index for index, names in enumerate(lines) for name in names}


HEIGHT = heights(LAYERS)
GROUP_HEIGHT = {package: heights(lines) for package, lines in GROUPS.items()}


@cache
def modules() -> dict[str, Path]:
    """Dotted name below graphpost -> file; the package itself is ''."""
    found = {}
    for file in SOURCE.rglob("*.py"):
        parts = file.relative_to(SOURCE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def imports(file: Path) -> Iterator[str]:
    """Every name of ours that a module imports, those for type checking and those inside functions included."""
    known = modules()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.split(".")[0] == "graphpost":
                below = name.split(".")[1:]
                while below and ".".join(below) not in known:
                    below.pop()
                yield ".".join(below)


@cache
def edges() -> dict[str, set[str]]:
    return {name: {target for target in imports(file) if target != name} for name, file in modules().items()}


def test_every_module_has_a_layer() -> None:
    assert {name.split(".")[0] for name in modules() if name} <= set(HEIGHT)


@pytest.mark.parametrize("module", sorted(name for name in modules() if name))
def test_imports_go_down(module: str) -> None:
    package = module.split(".")[0]
    for target in edges()[module]:
        other = target.split(".")[0]
        if other and other != package:
            assert HEIGHT[other] < HEIGHT[package], f"{module} imports {target}"


@cache
def grouped() -> dict[str, str]:
    """Each module of a package that has groups -> the group, or the module itself, that has a place among them."""
    parts = {name: name.split(".") for name in modules()}
    return {name: part[1] for name, part in parts.items() if part[0] in GROUPS and len(part) > 1}


@pytest.mark.parametrize("package", GROUPS)
def test_every_module_of_a_package_with_groups_has_a_place(package: str) -> None:
    found = {group for module, group in grouped().items() if module.startswith(f"{package}.")}
    assert found == set(GROUP_HEIGHT[package])


@pytest.mark.parametrize("module", sorted(grouped()))
def test_imports_between_groups_go_down(module: str) -> None:
    package, group = module.split(".")[0], grouped()[module]
    for target in edges()[module]:
        other = grouped().get(target)
        if other and other != group and target.startswith(f"{package}."):
            height = GROUP_HEIGHT[package]
            assert height[other] < height[group], f"{module} imports {target}"


def test_there_are_no_cycles() -> None:
    graph = edges()
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join((*path[path.index(name) :], name))
        if name not in done:
            for target in sorted(graph.get(name, ())):
                visit(target, (*path, name))
            done.add(name)

    for name in sorted(graph):
        visit(name, ())


def test_only_the_store_speaks_to_databases() -> None:
    drivers = {"apsw", "psycopg", "sqlite3"}
    for name, file in modules().items():
        used = {
            (node.names[0].name if isinstance(node, ast.Import) else node.module or "").split(".")[0]
            for node in ast.walk(ast.parse(file.read_text("utf-8")))
            if isinstance(node, ast.Import | ast.ImportFrom)
        }
        if not name.startswith(("store", "testing")):
            assert not used & drivers, name


def test_only_the_store_says_sql() -> None:
    statement = re.compile(
        r"\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|WITH)\b.*\b(FROM|VALUES|SET|1)\b", re.DOTALL
    )
    for name, file in modules().items():
        if not name.startswith(("store", "testing")):
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    assert not statement.match(node.value), f"{name}: line {node.lineno}"
