"""docs/conformance.md is what the routes and tables make of Graph's model, and nothing in it is unsaid."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.conformance.facts import FILES, load, names_in, schema_of, written
from tests.conformance.table import PAGE, claims, lost, page, rows, unsaid


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text("utf-8") == page(rows()), "python -m tests.conformance.table writes it"


def test_of_every_row_something_is_said() -> None:
    assert unsaid(rows()) == []


def test_every_test_that_is_named_is_there() -> None:
    assert lost(rows()) == []


def test_nothing_is_said_of_what_graph_has_not() -> None:
    names = load()
    known = {name.key for name in names} | {name.type for name in names}
    said = claims()
    spoken = {key for part in ("shown", "beside", "absent", "unfinished") for key in said[part]}
    assert spoken - known == set()


@pytest.mark.skipif(
    "GRAPH_CSDL" not in os.environ, reason="GRAPH_CSDL names no file with Graph's own document"
)
def test_the_names_are_those_of_graphs_own_document() -> None:
    schema = schema_of(Path(os.environ["GRAPH_CSDL"]).read_bytes())
    assert FILES["v1.0"].read_text("utf-8") == written(names_in(schema))
