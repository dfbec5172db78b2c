"use strict";
// microsoft-graph-client: what its GraphError holds when something is refused.
// node errors.js

const { GraphError } = require("@microsoft/microsoft-graph-client");
const { ClientSecretCredential } = require("@azure/identity");
const { clientOf, where, env } = require("./connecting");

const own = `/users/${env.MAILBOX}`;
const wornOut = { getToken: async () => ({ token: "eyJhbGciOiJub25lIn0.e30.", expiresOnTimestamp: 4e12 }) };
const secretOf = (client, secret) => new ClientSecretCredential(env.TENANT_ID, client, secret, where);
const mail = (...addresses) => ({
  message: {
    subject: "Never sent",
    body: { contentType: "Text", content: "text" },
    toRecipients: addresses.map((address) => ({ emailAddress: { address } })),
  },
});

async function refused(call) {
  try {
    await call;
    return null;
  } catch (error) {
    if (!(error instanceof GraphError)) throw error;
    const { statusCode: status, code, message, requestId: request_id, date } = error;
    return { status, code, message, request_id, date: date.toISOString() };
  }
}

async function main() {
  const client = clientOf();
  const good = mail("zoe@remote.example");
  const large = mail("zoe@remote.example");
  large.message.attachments = [{ name: "x.bin", contentBytes: Buffer.alloc(4_000_000).toString("base64") }];
  const newest = (await client.api(`${own}/messages`).top(1).get()).value[0].id;
  const calls = {
    "no recipients": client.api(`${own}/sendMail`).post(mail()),
    "a bad address": client.api(`${own}/sendMail`).post(mail("no address")),
    "me without a user": client.api("/me/sendMail").post(good),
    "a token nobody signed": clientOf("secret", wornOut).api(`${own}/sendMail`).post(good),
    "no permission": clientOf("secret", secretOf(env.NARROW, env.CLIENT_SECRET)).api(`${own}/sendMail`).post(good),
    "too large": client.api(`${own}/sendMail`).post(large),
    "no such user": client.api("/users/nobody@contoso.test/sendMail").post(good),
    "no such message": client.api(`${own}/messages/AAMkAGEwYWI`).get(),
    "a message of somebody else": client.api(`/users/alex@contoso.test/messages/${newest}`).get(),
    "no such folder": client.api(`${own}/mailFolders/AAMkAGEwYWI`).get(),
    "a bad filter": client.api(`${own}/messages`).filter("subject eq").get(),
  };
  const graph = {};
  for (const [name, call] of Object.entries(calls)) graph[name] = refused(call);
  for (const name of Object.keys(graph)) graph[name] = await graph[name];
  const token = await secretOf(env.CLIENT_ID, "wrong")
    .getToken("https://graph.microsoft.com/.default")
    .catch((error) => `${error.name}: ${error.message}`);
  console.log(JSON.stringify({ graph, token }));
}

main();
