"use strict";
// A Graph client for each kind of credential, told where Graphpost is by what `graphpost env` prints.
// Start the program with NODE_EXTRA_CA_CERTS naming the file in CA_FILE.

const { Client } = require("@microsoft/microsoft-graph-client");
const {
  TokenCredentialAuthenticationProvider,
} = require("@microsoft/microsoft-graph-client/authProviders/azureTokenCredentials");
const {
  ClientCertificateCredential,
  ClientSecretCredential,
  DeviceCodeCredential,
  UsernamePasswordCredential,
} = require("@azure/identity");

const env = process.env;
const where = { authorityHost: env.GRAPH_URL, disableInstanceDiscovery: true };

const CREDENTIALS = {
  secret: () => new ClientSecretCredential(env.TENANT_ID, env.CLIENT_ID, env.CLIENT_SECRET, where),
  certificate: () =>
    new ClientCertificateCredential(env.TENANT_ID, env.CLIENT_ID, { certificatePath: env.CERTIFICATE }, where),
  password: () =>
    new UsernamePasswordCredential(env.TENANT_ID, env.CLIENT_ID, env.MAILBOX, env.USER_PASSWORD, where),
  device: () =>
    new DeviceCodeCredential({
      ...where,
      tenantId: env.TENANT_ID,
      clientId: env.CLIENT_ID,
      userPromptCallback: (info) => console.log("CODE", info.userCode, info.verificationUri),
    }),
};

function clientOf(kind = "secret", credential = CREDENTIALS[kind]()) {
  const ofUser = kind === "device" || kind === "password";
  const scopes = ofUser ? ["Mail.Send"] : ["https://graph.microsoft.com/.default"];
  return Client.initWithMiddleware({
    baseUrl: env.GRAPH_URL,
    customHosts: new Set([new URL(env.GRAPH_URL).hostname]),
    authProvider: new TokenCredentialAuthenticationProvider(credential, { scopes }),
  });
}

module.exports = { clientOf, where, env };
