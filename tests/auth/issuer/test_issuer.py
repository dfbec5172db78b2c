"""The issuer from outside: its documents, its paths, and who it lets through."""

from __future__ import annotations

import json

import pytest
from tests.auth.world import ADELE, CLIENT, DOMAIN, NAMES, ORIGIN, SECRET, TENANT, World

from graphpost.auth.issuer.issuer import IssuerRequest


@pytest.mark.parametrize("version", ["v2.0/", ""])
@pytest.mark.parametrize(
    ("written", "named"),
    [
        (TENANT, TENANT),
        (TENANT.upper(), TENANT),
        (DOMAIN, TENANT),
        ("Fabrikam.TEST", TENANT),
        ("common", "common"),
        ("Organizations", "organizations"),
    ],
)
def test_discovery_names_endpoints_under_the_origin_the_client_came_to(
    world: World, version: str, written: str, named: str
) -> None:
    for origin in (ORIGIN, "https://login.microsoftonline.com", "https://mail.contoso.test:444"):
        reply = world.ask("GET", f"/{written}/{version}.well-known/openid-configuration", origin=origin)
        document = json.loads(reply.body)
        assert reply.status == 200
        assert document["token_endpoint"] == f"{origin}/{named}/oauth2/v2.0/token"
        assert document["authorization_endpoint"] == f"{origin}/{named}/oauth2/v2.0/authorize"
        assert document["device_authorization_endpoint"] == f"{origin}/{named}/oauth2/v2.0/devicecode"
        assert document["jwks_uri"] == f"{origin}/{named}/discovery/v2.0/keys"
        tenant = named if named == TENANT else "{tenantid}"
        assert document["issuer"] == f"{origin}/{tenant}/v2.0"


@pytest.mark.parametrize("tenant", ["consumers", "other.test", "22222222-2222-3333-4444-555555555555", "%"])
@pytest.mark.parametrize(
    "path",
    ["v2.0/.well-known/openid-configuration", "discovery/keys", "oauth2/v2.0/token", "oauth2/authorize"],
)
def test_an_unknown_tenant_is_refused(world: World, tenant: str, path: str) -> None:
    reply = world.ask("GET", f"/{tenant}/{path}")
    body = json.loads(reply.body)
    assert reply.status == 400
    assert body["error"] == "invalid_request"
    assert body["error_codes"] == [90002]


def test_the_keys_are_public_halves_with_their_certificates(world: World) -> None:
    for path in ("discovery/v2.0/keys", "discovery/keys"):
        for tenant in ("common", TENANT):
            (key,) = json.loads(world.ask("GET", f"/{tenant}/{path}").body)["keys"]
            assert {"kty", "use", "kid", "x5t", "n", "e", "x5c", "issuer"} == set(key)


@pytest.mark.parametrize(
    ("endpoint", "discovery"),
    [
        (f"{ORIGIN}/{TENANT}/oauth2/v2.0/authorize", f"{ORIGIN}/{TENANT}"),
        (
            "https://login.microsoftonline.com/common/oauth2/authorize",
            "https://login.microsoftonline.com/common",
        ),
    ],
)
def test_instance_discovery_knows_the_servers_own_names(world: World, endpoint: str, discovery: str) -> None:
    reply = world.ask("GET", f"/common/discovery/instance?api-version=1.1&authorization_endpoint={endpoint}")
    body = json.loads(reply.body)
    assert body["tenant_discovery_endpoint"] == f"{discovery}/v2.0/.well-known/openid-configuration"
    assert set(NAMES) <= set(body["metadata"][0]["aliases"])


def test_instance_discovery_leads_to_where_it_was_asked(world: World) -> None:
    """A server of plain HTTP has nothing at https."""
    authority = world.issuer._realm.authority
    for origin in ("http://localhost:8080", "https://localhost:8443"):
        found = authority.instance_discovery(origin, f"{origin}/common/oauth2/v2.0/authorize")
        assert found["tenant_discovery_endpoint"] == f"{origin}/common/v2.0/.well-known/openid-configuration"


@pytest.mark.parametrize(
    "endpoint", ["", "https://evil.test/common/oauth2/v2.0/authorize", "https://[", "nothing"]
)
def test_instance_discovery_refuses_other_peoples_names(world: World, endpoint: str) -> None:
    reply = world.ask("GET", f"/common/discovery/instance?authorization_endpoint={endpoint}")
    assert reply.status == 400


@pytest.mark.parametrize(
    ("user", "kind"), [(ADELE, "Managed"), ("nobody@CONTOSO.test", "Managed"), ("x@y.test", "Unknown")]
)
def test_the_user_realm_tells_of_the_domain_only(world: World, user: str, kind: str) -> None:
    body = json.loads(world.ask("GET", f"/common/userrealm/{user}?api-version=1.0").body)
    assert body["account_type"] == kind


@pytest.mark.parametrize(
    "path",
    ["/", "/v1.0/me", "/common", f"/{TENANT}/", f"/{TENANT}/oauth2/v2.0/other", "/healthz", "//oauth2/x"],
)
def test_other_paths_are_somebody_elses(world: World, path: str) -> None:
    assert world.run(world.issuer.handle(IssuerRequest("GET", path))) is None


@pytest.mark.parametrize("path", ["oauth2/pages/../base.html", "oauth2/pages/base.html", "oauth2/pages/"])
def test_no_other_file_is_served(world: World, path: str) -> None:
    assert world.run(world.issuer.handle(IssuerRequest("GET", f"/common/{path}"))) is None


@pytest.mark.parametrize("method", ["PUT", "DELETE", "POST"])
@pytest.mark.parametrize(
    "path", ["v2.0/.well-known/openid-configuration", "discovery/keys", "discovery/instance"]
)
def test_documents_are_only_read(world: World, method: str, path: str) -> None:
    assert world.ask(method, f"/common/{path}").status == 405


def test_text_that_no_encoding_can_write_is_refused(world: World) -> None:
    status, body = world.token(grant_type="client_credentials", client_id="\ud800", client_secret=SECRET)
    assert (status, body["error_codes"]) == (400, [9002313])


def test_a_refusal_has_the_members_of_entras_and_the_clients_correlation_id(world: World) -> None:
    mine = "0d2a8b8e-5c9b-4f4e-9e62-111111111111"
    status, body = world.token(
        headers={"client-request-id": mine}, grant_type="client_credentials", client_id=CLIENT, scope="x"
    )
    assert status == 401
    assert set(body) == {
        *("error", "error_description", "error_codes", "timestamp", "trace_id", "correlation_id", "error_uri")
    }
    assert body["correlation_id"] == mine
    assert body["error_description"].startswith("AADSTS7000218: ")
    assert "Trace ID: " in body["error_description"]
    assert body["timestamp"] == "2026-01-01 00:00:00Z"
