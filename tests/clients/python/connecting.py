"""A Graph client for each kind of credential, told where Graphpost is by what `graphpost env` prints.

Start the program with SSL_CERT_FILE and REQUESTS_CA_BUNDLE naming the file in CA_FILE: httpx (Graph) and aiohttp read
the first, requests (tokens) the second.
"""

import os

from azure.identity import (
    CertificateCredential,
    ClientSecretCredential,
    DeviceCodeCredential,
    UsernamePasswordCredential,
)
from azure.identity.aio import CertificateCredential as AsyncCertificateCredential
from azure.identity.aio import ClientSecretCredential as AsyncClientSecretCredential
from msgraph import GraphServiceClient

env = os.environ
WHERE = {"authority": env["GRAPH_URL"], "disable_instance_discovery": True}
APPLICATION = ["https://graph.microsoft.com/.default"]
USER = ["https://graph.microsoft.com/Mail.Send", "https://graph.microsoft.com/Mail.ReadWrite"]


def show_code(address, code, expires_on):
    print(f"CODE {code} {address}", flush=True)


def credential_of(kind):
    tenant, client = env["TENANT_ID"], env["CLIENT_ID"]
    if kind == "secret":
        return ClientSecretCredential(tenant, client, env["CLIENT_SECRET"], **WHERE)
    if kind == "certificate":
        return CertificateCredential(tenant, client, env["CERTIFICATE"], **WHERE)
    if kind == "certificate-with-chain":
        return CertificateCredential(tenant, client, env["CERTIFICATE"], send_certificate_chain=True, **WHERE)
    if kind == "async-secret":
        return AsyncClientSecretCredential(tenant, client, env["CLIENT_SECRET"], **WHERE)
    if kind == "async-certificate":
        return AsyncCertificateCredential(tenant, client, env["CERTIFICATE"], **WHERE)
    if kind == "device":
        return DeviceCodeCredential(client, tenant_id=tenant, prompt_callback=show_code, **WHERE)
    if kind == "password":
        return UsernamePasswordCredential(
            client, env["MAILBOX"], env["USER_PASSWORD"], tenant_id=tenant, **WHERE
        )
    raise SystemExit(f"no such credential: {kind}")


def client_of(kind="secret", credential=None):
    scopes = USER if kind in ("device", "password") else APPLICATION
    client = GraphServiceClient(credential or credential_of(kind), scopes)
    client.request_adapter.base_url = env["GRAPH_URL"] + "/v1.0"
    return client
