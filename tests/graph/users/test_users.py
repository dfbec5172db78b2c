"""Reading users."""

import pytest
from tests.graph.shelf import ADELE, ALEX, BASE, Shelf

from graphpost.errors import AccessDenied, BadRequest, NotFound
from graphpost.graph.users.reading import get_me, get_user, list_users

OWN = frozenset({"User.Read"})
BASIC = frozenset({"User.ReadBasic.All"})


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    opened = Shelf(tmp_path_factory.mktemp("shelf"))
    yield opened
    opened.close()


def test_me_has_the_default_properties_in_order(shelf):
    value = shelf.call(get_me).json
    assert list(value.items()) == [
        ("@odata.context", f"{BASE}/$metadata#users/$entity"),
        ("businessPhones", []),
        ("displayName", "Adele Vance"),
        ("givenName", "Adele"),
        ("jobTitle", None),
        ("mail", "AdeleV@contoso.test"),
        ("mobilePhone", None),
        ("officeLocation", None),
        ("preferredLanguage", None),
        ("surname", "Vance"),
        ("userPrincipalName", "AdeleV@contoso.test"),
        ("id", ADELE.object_id),
    ]


def test_select_gives_what_is_selected(shelf):
    value = shelf.call(get_me, "$select=id,proxyAddresses,AccountEnabled,createdDateTime").json
    assert value == {
        "@odata.context": f"{BASE}/$metadata#users(id,proxyAddresses,accountEnabled,createdDateTime)/$entity",
        "id": ADELE.object_id,
        "accountEnabled": True,
        "createdDateTime": "2023-11-14T22:13:20Z",
        "proxyAddresses": ["SMTP:AdeleV@contoso.test", "smtp:adele@contoso.test"],
    }


@pytest.mark.parametrize("key", [ALEX.object_id.upper(), "O'Alex@contoso.test"])
def test_a_user_is_found_by_object_id_or_principal_name(shelf, key):
    assert shelf.call(get_user, user=key).json["id"] == ALEX.object_id


@pytest.mark.parametrize("key", ["nobody@contoso.test", "adele@contoso.test", "x"])
def test_nobody_is_found_by_an_alias_or_an_unknown_key(shelf, key):
    with pytest.raises(NotFound) as caught:
        shelf.call(get_user, user=key)
    assert caught.value.code == "Request_ResourceNotFound"


def test_user_read_opens_nobody_else(shelf):
    assert shelf.call(get_user, permissions=OWN, user=ADELE.address).json["id"] == ADELE.object_id
    for key in (ALEX.address, "nobody@contoso.test"):
        with pytest.raises(AccessDenied) as caught:
            shelf.call(get_user, permissions=OWN, user=key)
        assert caught.value.code == "Authorization_RequestDenied"
    with pytest.raises(AccessDenied):
        shelf.call(list_users, permissions=OWN)


def test_the_basic_permission_shows_names_alone(shelf):
    value = shelf.call(
        get_user, "$select=displayName,proxyAddresses", permissions=BASIC, user=ALEX.address
    ).json
    assert value["displayName"] == "o'alex@contoso.test"
    assert value["proxyAddresses"] is None


def test_the_list_has_everybody(shelf):
    answer = shelf.call(list_users, "$count=true&$orderby=displayName", path="/users")
    assert answer.json["@odata.context"] == f"{BASE}/$metadata#users"
    assert answer.json["@odata.count"] == 2
    assert [value["mail"] for value in answer.values] == [ADELE.address, ALEX.address]
    page = shelf.call(list_users, "$top=1&$select=id", path="/users")
    assert page.json["@odata.nextLink"] == f"{BASE}/users?$top=1&$select=id&$skip=1"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("proxyAddresses/any(x:x eq 'smtp:adele@contoso.test')", [ADELE]),
        ("proxyAddresses/any(x:x eq 'smtp:ADELEV@contoso.test')", [ADELE]),
        ("proxyAddresses/any(x:x eq 'smtp:no@contoso.test')", []),
        ("mail eq 'ADELEV@contoso.test'", [ADELE]),
        ("userPrincipalName eq 'o''alex@contoso.test'", [ALEX]),
        ("startswith(displayName,'adele')", [ADELE]),
        ("createdDateTime gt 2023-01-01", [ADELE]),
        ("accountEnabled eq true and surname eq null", [ALEX]),
        (f"id eq '{ALEX.object_id}'", [ALEX]),
    ],
)
def test_the_list_is_filtered(shelf, text, found):
    assert {value["id"] for value in shelf.call(list_users, f"$filter={text}").values} == {
        b.object_id for b in found
    }


def test_a_filter_does_not_tell_what_may_not_be_read(shelf):
    text = "$filter=proxyAddresses/any(x:x eq 'smtp:o''alex@contoso.test')"
    assert shelf.call(list_users, text, permissions=BASIC).values == []


@pytest.mark.parametrize(
    "query", ["$top=1000", "$select=nosuch", "$filter=nosuch eq 1", "$filter=a/b eq 1", "$expand=manager"]
)
def test_a_bad_query_is_400(shelf, query):
    with pytest.raises(BadRequest):
        shelf.call(list_users, query)
