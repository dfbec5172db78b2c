"""The outlets: how many connections a courier may have, and how many deliveries keep them busy."""

from __future__ import annotations

import pytest

from graphpost.config import DeliverySettings, RouteSettings
from graphpost.delivery.outlets import Outlets, target_of
from graphpost.delivery.routing import CAPTURE, destination_key

SETTINGS = DeliverySettings(concurrency=7)


@pytest.mark.parametrize(("concurrency", "connections"), [(0, 7), (3, 3)])
def test_a_route_has_its_own_number_of_connections_or_the_usual(concurrency: int, connections: int) -> None:
    route = RouteSettings(domains=["*"], to="smtp://mx.test", concurrency=concurrency)
    assert target_of(route, SETTINGS, "mail.test").connections == connections


@pytest.mark.parametrize(("concurrency", "deliveries"), [(0, 14), (3, 6)])
def test_over_smtp_two_deliveries_a_connection_are_under_way(concurrency: int, deliveries: int) -> None:
    route = RouteSettings(domains=["*"], to="smtp://mx.test", concurrency=concurrency)
    assert Outlets([route], SETTINGS, "mail.test").limit(destination_key(route)) == deliveries


def test_elsewhere_the_settings_number_is_the_limit() -> None:
    assert Outlets([], SETTINGS, "mail.test").limit(CAPTURE) == 7
