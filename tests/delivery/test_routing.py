"""Where mail for an address goes."""

import pytest

from graphpost.config import HostSettings, RouteSettings
from graphpost.delivery.routing import Router, destination_key
from graphpost.mail.mailbox import Directory, Mailbox

PEOPLE = Directory.of(
    [
        Mailbox(mailbox_id=1, object_id="1", address="Adele@contoso.test", aliases=("sales@contoso.test",)),
        Mailbox(mailbox_id=2, object_id="2", address="guest@elsewhere.test"),
    ]
)


def route(to: str, *domains: str, username: str = "") -> RouteSettings:
    return RouteSettings(domains=list(domains), to=to, username=username)


def several(*hosts: str, username: str = "") -> RouteSettings:
    """To hosts with priorities."""
    found = [each.partition(":") for each in hosts]
    return RouteSettings(
        domains=["*"],
        username=username,
        password=username,
        hosts=[HostSettings(to=f"smtp://{name}", priority=int(priority)) for name, _, priority in found],
    )


ROUTES = [
    route("smtp://exact.test:25", "partner.test", "deep.sub.test", "bücher.test"),
    route("smtp://wild.test:25", "*.sub.test", "*.deep.sub.test"),
    route("smtp://second.test:25", "partner.test", "contoso.test", "second.test"),
    route("reject:", "spam.test"),
    route("capture:", "kept.test"),
    route("local:", "home.test"),
    route("mx:", "direct.test", "*.direct.test"),
]


@pytest.mark.parametrize(
    ("address", "destination"),
    [
        ("adele@contoso.test", "local"),
        ("ADELE@Contoso.TEST", "local"),
        ("sales@contoso.test", "local"),
        ("nobody@contoso.test", "unknown"),
        ("nobody@CONTOSO.test", "unknown"),
        ("guest@elsewhere.test", "local"),
        ("other@elsewhere.test", "capture"),
        ("a@partner.test", "smtp://exact.test:25"),
        ("a@PARTNER.TEST", "smtp://exact.test:25"),
        ("a@xn--bcher-kva.test", "smtp://exact.test:25"),
        ("a@bücher.test", "smtp://exact.test:25"),
        ("a@second.test", "smtp://second.test:25"),
        ("a@deep.sub.test", "smtp://exact.test:25"),
        ("a@x.sub.test", "smtp://wild.test:25"),
        ("a@x.y.deep.sub.test", "smtp://wild.test:25"),
        ("a@sub.test", "capture"),
        ("a@notsub.test", "capture"),
        ("a@spam.test", "reject"),
        ("a@kept.test", "capture"),
        ("a@home.test", "unknown"),
        ("a@direct.test", "mx:direct.test"),
        ("a@BÜCHER.direct.test", "mx:xn--bcher-kva.direct.test"),
        ("a@nowhere.test", "capture"),
        ('"odd@partner.test"@nowhere.test', "capture"),
    ],
)
def test_an_address_leads_to_its_destination(address: str, destination: str) -> None:
    assert Router(lambda: PEOPLE, ["contoso.test"], ROUTES).destination(address) == destination


def test_the_first_route_that_matches_wins_also_over_a_later_exact_one() -> None:
    routes = [route("smtp://all.test:25", "*"), route("smtp://late.test:25", "partner.test")]
    assert Router(lambda: PEOPLE, [], routes).destination("a@partner.test") == "smtp://all.test:25"


def test_everything_else_goes_where_the_star_leads() -> None:
    routes = [route("smtp://exact.test:25", "partner.test"), route("smtps://all.test:465", "*")]
    router = Router(lambda: PEOPLE, ["contoso.test"], routes)
    assert router.destination("a@anything.test") == "smtps://all.test:465"
    assert router.destination("a@partner.test") == "smtp://exact.test:25"
    assert router.destination("nobody@contoso.test") == "unknown"
    assert router.destination("other@elsewhere.test") == "smtps://all.test:465"


def test_an_earlier_wildcard_wins_over_a_later_exact_domain() -> None:
    routes = [route("smtp://wild.test:25", "*.sub.test"), route("smtp://exact.test:25", "a.sub.test")]
    assert Router(lambda: PEOPLE, [], routes).destination("x@a.sub.test") == "smtp://wild.test:25"


def test_a_router_sees_who_came_and_went() -> None:
    directory = Directory.of([])
    router = Router(lambda: directory, ["contoso.test"], [])
    assert router.destination("adele@contoso.test") == "unknown"
    directory = PEOPLE
    assert router.destination("adele@contoso.test") == "local"


@pytest.mark.parametrize(
    ("given", "key"),
    [
        (route("smtp://a.test:25", "*"), "smtp://a.test:25"),
        (route("smtp://a.test:25", "*", username="me"), "smtp://a.test:25#me"),
        (route("capture:", "*"), "capture"),
        (route("REJECT:", "*"), "reject"),
        (route("local:", "*"), "local"),
        (route("reject:5.7.1 not to them ", "*"), "reject:5.7.1 not to them"),
        (
            RouteSettings(domains=["*"], to="smtp://a.test", source="192.0.2.7", hostname="b.test"),
            "smtp://a.test?source=192.0.2.7&hostname=b.test",
        ),
        (several("c:2", "a:1", "b:1"), "smtp://a,smtp://b;smtp://c"),
        (several("b:1", "c:2", "a:1", username="me"), "smtp://a#me,smtp://b#me;smtp://c#me"),
    ],
)
def test_a_key_says_the_next_hop_and_who_we_are_there(given: RouteSettings, key: str) -> None:
    assert destination_key(given) == key


@pytest.mark.parametrize(
    ("domain", "found"),
    [("direct.test", True), ("a.direct.test", True), ("spam.test", False), ("x.test", False)],
)
def test_the_route_of_a_domain_that_goes_by_mx(domain: str, found: bool) -> None:
    router = Router(lambda: PEOPLE, ["contoso.test"], ROUTES)
    assert router.mx_route(domain) == (ROUTES[-1] if found else None)
