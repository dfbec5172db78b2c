"use strict";
// microsoft-graph-client: a draft made, looked for and refused in one batch, and a letter and an address in another.
// node batch.js SUBJECT MAILBOX

const { BatchRequestContent, BatchResponseContent } = require("@microsoft/microsoft-graph-client");
const { clientOf, env } = require("./connecting");

const JSON_TYPE = { "Content-Type": "application/json" };

function step(id, path, init, dependsOn) {
  return { id, request: new Request(`${env.GRAPH_URL}/v1.0${path}`, init), dependsOn };
}

async function send(client, steps) {
  const content = await new BatchRequestContent(steps).getContent();
  return new BatchResponseContent(await client.api("/$batch").post(content));
}

async function main(subject, mailbox) {
  const client = clientOf();
  const user = `/users/${mailbox}`;
  const toRecipients = [{ emailAddress: { address: "zoe@remote.example" } }];
  const draft = { method: "POST", headers: JSON_TYPE, body: JSON.stringify({ subject, toRecipients }) };
  const made = await send(client, [
    step("1", `${user}/messages`, draft),
    step("2", `${user}/messages/AAMk`, { method: "GET" }, ["1"]),
    step("3", `${user}/mailFolders/inbox`, { method: "GET" }, ["2"]),
  ]);
  const entity = await made.getResponseById("1").json();
  const where = `${user}/messages/${entity.id}`;
  const sent = await send(client, [
    step("1", where, { method: "GET" }),
    step("2", `${where}/send`, { method: "POST", headers: JSON_TYPE, body: JSON.stringify({}) }, ["1"]),
  ]);
  return {
    made: [...made.getResponses().values()].map((response) => response.status),
    refused: [(await made.getResponseById("2").json()).error.code, (await made.getResponseById("3").json()).error.code],
    found: (await sent.getResponseById("1").json()).subject,
    sent: sent.getResponseById("2").status,
  };
}

main(...process.argv.slice(2)).then((seen) => console.log(JSON.stringify(seen)));
