"""The issuer's names: tenant aliases, endpoints, and the documents about them.

Everything lies under the origin the client came to, so that a client that checks the issuer against its authority
(scheme, host and port) is content whichever of the server's names it uses.  Standards: OpenID Connect Discovery 1.0,
and Entra ID's instance discovery and user realm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from graphpost.auth.protocol import INSTANCE, TENANT_NOT_FOUND, OAuthError
from graphpost.store.directory.accounts import GRAPH_APPLICATION

SHARED_TENANTS: Final = frozenset({"common", "organizations"})
GRAPH: Final = "https://graph.microsoft.com"


@dataclass(frozen=True, slots=True)
class Authority:
    """A tenant and the host names the server answers to (beside that of the request's origin)."""

    tenant_id: str
    domains: frozenset[str]
    names: frozenset[str]

    def tenant(self, segment: str) -> str:
        """The tenant a path names: 'common', 'organizations' or the tenant id; OAuthError for another one."""
        name = segment.casefold()
        if name in SHARED_TENANTS:
            return name
        if name == self.tenant_id.casefold() or name in self.domains:
            return self.tenant_id
        raise OAuthError(TENANT_NOT_FOUND, tenant=segment)

    def issuer(self, origin: str) -> str:
        """`iss` of access tokens, shaped as sts.windows.net's."""
        return f"{origin}/{self.tenant_id}/"

    def id_token_issuer(self, origin: str) -> str:
        return f"{origin}/{self.tenant_id}/v2.0"

    def is_own_host(self, host: str | None, origin: str) -> bool:
        """Whether a host name (no port) is the server's."""
        return host is not None and (
            host.casefold() in self.names or host.casefold() == urlsplit(origin).hostname
        )

    def is_own_resource(self, resource: str, origin: str) -> bool:
        """Whether a resource identifier means this server's Graph, under whatever name."""
        resource = resource.rstrip("/")
        if resource.casefold() in (GRAPH, GRAPH_APPLICATION):
            return True
        try:
            parts = urlsplit(resource)
            return (
                parts.scheme in ("https", "http")
                and not parts.path
                and self.is_own_host(parts.hostname, origin)
            )
        except ValueError:
            return False

    def is_token_endpoint(self, url: str, origin: str) -> bool:
        """Whether an assertion's audience means this issuer: its token endpoint or its issuer name."""
        try:
            parts = urlsplit(url)
            if parts.scheme not in ("https", "http") or not self.is_own_host(parts.hostname, origin):
                return False
            tenant, _, rest = parts.path.strip("/").partition("/")
            self.tenant(tenant)
        except (ValueError, OAuthError):
            return False
        return rest.casefold() in ("oauth2/v2.0/token", "oauth2/token", "v2.0", "")

    def discovery(self, origin: str, tenant: str) -> dict[str, Any]:
        """The OpenID configuration; of a shared tenant its issuer has the literal {tenantid}, as Entra's has."""
        base = f"{origin}/{tenant}"
        named = "{tenantid}" if tenant in SHARED_TENANTS else tenant
        return {
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "token_endpoint_auth_methods_supported": [
                "client_secret_post",
                "private_key_jwt",
                "client_secret_basic",
            ],
            "jwks_uri": f"{base}/discovery/v2.0/keys",
            "response_modes_supported": ["query", "fragment", "form_post"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["code"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "issuer": f"{origin}/{named}/v2.0",
            "request_uri_parameter_supported": False,
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
            "http_logout_supported": False,
            "end_session_endpoint": f"{base}/oauth2/v2.0/logout",
            "code_challenge_methods_supported": ["S256", "plain"],
            "claims_supported": _CLAIMS,
            "tenant_region_scope": None,
            "cloud_instance_name": urlsplit(origin).netloc,
            "cloud_graph_host_name": urlsplit(origin).netloc,
            "msgraph_host": urlsplit(origin).netloc,
        }

    def instance_discovery(self, origin: str, authorization_endpoint: str) -> dict[str, Any]:
        """What MSAL asks before it trusts an authority's host."""
        try:
            parts = urlsplit(authorization_endpoint)
            if not self.is_own_host(parts.hostname, origin):
                raise OAuthError(INSTANCE)
            tenant = self.tenant(parts.path.strip("/").partition("/")[0])
        except ValueError as error:
            raise OAuthError(INSTANCE) from error
        scheme, here = urlsplit(origin).scheme, urlsplit(origin).netloc
        # MSAL for Python leaves the port of its authority out when it asks
        there = here if parts.hostname == urlsplit(origin).hostname else parts.netloc
        aliases = list(dict.fromkeys((there, here, *sorted(self.names))))
        return {
            "tenant_discovery_endpoint": f"{scheme}://{there}/{tenant}/v2.0/.well-known/openid-configuration",
            "api-version": "1.1",
            "metadata": [{"preferred_network": here, "preferred_cache": here, "aliases": aliases}],
        }

    def user_realm(self, origin: str, user: str) -> dict[str, Any]:
        """How a user signs in.  It tells of the domain only, never whether there is such a user."""
        domain = user.rpartition("@")[2].casefold()
        return {
            "ver": "1.0",
            "account_type": "Managed" if domain in self.domains else "Unknown",
            "domain_name": domain,
            "cloud_instance_name": urlsplit(origin).netloc,
            "cloud_audience_urn": "urn:federation:MicrosoftOnline",
        }


_CLAIMS: Final = [
    *(
        "sub",
        "iss",
        "aud",
        "exp",
        "iat",
        "auth_time",
        "nonce",
        "preferred_username",
        "name",
        "tid",
        "oid",
        "ver",
    ),
    *("email", "upn"),
]
