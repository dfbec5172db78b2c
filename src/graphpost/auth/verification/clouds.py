"""Microsoft's clouds: who signs tokens in each, under which names, and for what.

Tenants, tokens and resources of one cloud mean nothing in another.  Source: Microsoft's page on national clouds, and the
discovery documents of each authority.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from graphpost.config import CloudName
from graphpost.store.directory.accounts import GRAPH_APPLICATION


@dataclass(frozen=True, slots=True)
class Cloud:
    """`login` are the authority's host names, the present one first; `v1` those of issuers of version 1 tokens."""

    login: tuple[str, ...]
    v1: tuple[str, ...]
    graph: str

    def issuers(self, tenant_id: str) -> frozenset[str]:
        """What `iss` of a tenant's tokens may be, in either version."""
        first = {f"https://{host}/{tenant_id}/" for host in self.v1}
        return frozenset(first | {f"https://{host}/{tenant_id}/v2.0" for host in self.login})

    @property
    def audiences(self) -> frozenset[str]:
        """What `aud` of a token for Graph is."""
        return frozenset({f"https://{self.graph}", f"https://{self.graph}/", GRAPH_APPLICATION})

    def keys_uri(self, tenant_id: str) -> str:
        return f"https://{self.login[0]}/{tenant_id}/discovery/v2.0/keys"

    @property
    def authorization_uri(self) -> str:
        """What a challenge names."""
        return f"https://{self.login[0]}/common/oauth2/authorize"


_GLOBAL_LOGIN: Final = ("login.microsoftonline.com", "login.windows.net", "login.microsoft.com")
_GOVERNMENT: Final = ("login.microsoftonline.us", "login.usgovcloudapi.net")
_CHINA: Final = ("login.partner.microsoftonline.cn", "login.chinacloudapi.cn")
CLOUDS: Final[Mapping[CloudName, Cloud]] = MappingProxyType(
    {
        "global": Cloud(_GLOBAL_LOGIN, ("sts.windows.net",), "graph.microsoft.com"),
        "usgov": Cloud(_GOVERNMENT, ("sts.windows.net", "login.microsoftonline.us"), "graph.microsoft.us"),
        "dod": Cloud(_GOVERNMENT, ("sts.windows.net", "login.microsoftonline.us"), "dod-graph.microsoft.us"),
        "china": Cloud(_CHINA, ("sts.chinacloudapi.cn",), "microsoftgraph.chinacloudapi.cn"),
    }
)
