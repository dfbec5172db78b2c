"""The documentation is true: names exist, links lead somewhere, snippets parse, versions agree."""

import ast
import importlib
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import click
import pytest

import graphpost
from graphpost.cli import COMMANDS, root

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def names_in_flow() -> list[str]:
    return sorted(set(re.findall(r"`(graphpost\.[\w.]+)`", (ROOT / "docs/flow.md").read_text("utf-8"))))


@pytest.mark.parametrize("name", names_in_flow())
def test_what_the_flow_names_exists(name: str) -> None:
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for attribute in parts[length:]:
            found = getattr(found, attribute)
        return
    pytest.fail(f"there is no {name}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text("utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def snippets(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_first_screen_has_the_two_commands() -> None:
    first_screen = "\n".join(README.splitlines()[:12])
    assert "make serve" in first_screen
    assert "make test" in first_screen


@pytest.mark.parametrize("snippet", snippets("sh"))
def test_shell_snippets_parse(snippet: str) -> None:
    done = subprocess.run(["sh", "-n"], input=snippet, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_shell_snippets_name_commands_and_options_that_exist() -> None:
    told = re.findall(r"(?:\.venv/bin/|`)graphpost (\w+)(.*)", README)
    assert told
    for name, rest in told:
        assert name in COMMANDS
        command = root.get_command(None, name)  # type: ignore[arg-type]
        if isinstance(command, click.Group) and (
            below := command.commands.get(rest.partition("|")[0].strip(" `").partition(" ")[0])
        ):
            command = below
        assert command is not None
        options = {option for parameter in command.params for option in parameter.opts}
        for option in re.findall(r"(--[\w-]+)", rest.partition("|")[0].partition("`")[0]):
            assert option in options


@pytest.mark.slow
def test_the_python_snippet_names_what_the_sdk_has() -> None:
    (snippet,) = snippets("python")
    for node in ast.walk(ast.parse(snippet)):
        if isinstance(node, ast.ImportFrom) and node.module:
            module = importlib.import_module(node.module)
            for alias in node.names:
                assert hasattr(module, alias.name), f"{node.module}.{alias.name}"


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_javascript_snippet_parses(tmp_path: Path) -> None:
    (snippet,) = snippets("js")
    file = tmp_path / "snippet.js"
    file.write_text(snippet)
    done = subprocess.run(["node", "--check", str(file)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_snippets_use_the_variables_that_env_prints() -> None:
    from graphpost.cli.env import environment
    from graphpost.config import Config

    known = set(environment(Config(data=Path("/nowhere"))))
    used = set(re.findall(r'env\["(\w+)"\]|\$\{?([A-Z][A-Z_]+)', README))
    assert {a or b for a, b in used} - known <= {"TOKEN"}


def test_the_changelog_has_this_version_on_top() -> None:
    versions = re.findall(r"^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert versions[0] == "Unreleased"
    assert versions[1] == graphpost.__version__
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["version"] == graphpost.__version__


def test_each_decision_has_a_number_of_its_own() -> None:
    pages = sorted((ROOT / "docs/decisions").glob("*.md"))
    assert len({page.name[:3] for page in pages}) == len(pages)
    for page in pages:
        assert page.read_text("utf-8").startswith(f"# {int(page.name[:3])}. ")


def test_the_makefile_has_the_targets_that_are_told() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in set(re.findall(r"make (\w+)", README + (ROOT / ".ci/run").read_text("utf-8"))):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
