"use strict";
// microsoft-graph-client: a day's work: drafts, files, pages, rounds of changes, answers, a batch, categories.
// node day.js SUBJECT SMALL-FILE LARGE-FILE

const fs = require("node:fs");
const path = require("node:path");
const {
  BatchRequestContent,
  BatchResponseContent,
  FileUpload,
  LargeFileUploadTask,
  PageIterator,
} = require("@microsoft/microsoft-graph-client");
const { clientOf, env } = require("./connecting");

const [subject, small, large] = process.argv.slice(2);
const user = `/users/${env.MAILBOX}`;
const client = clientOf();
const zoe = [{ emailAddress: { address: "zoe@remote.example", name: "Zoë Müller" } }];
const JSON_TYPE = { "Content-Type": "application/json" };

async function attach(message) {
  const where = `${user}/messages/${message}/attachments`;
  await client.api(where).post({
    "@odata.type": "#microsoft.graph.fileAttachment",
    name: path.basename(small),
    contentBytes: fs.readFileSync(small).toString("base64"),
  });
  const content = fs.readFileSync(large);
  const session = await LargeFileUploadTask.createUploadSession(client, `${where}/createUploadSession`, {
    AttachmentItem: { attachmentType: "file", name: path.basename(large), size: content.length },
  });
  const upload = new FileUpload(content, path.basename(large), content.length);
  await new LargeFileUploadTask(client, upload, session, { rangeSize: 2 * 1024 * 1024 }).upload();
}

async function all(request) {
  const found = [];
  const iterator = new PageIterator(client, await request.get(), (item) => found.push(item));
  await iterator.iterate();
  return { found, next: iterator.getDeltaLink() };
}

// A round: subjects of what is there, how much is gone, and the link of the next round.
async function changes(place) {
  const { found, next } = await all(client.api(place).header("Prefer", "odata.maxpagesize=2"));
  const gone = found.filter((item) => item["@removed"]);
  const there = found.filter((item) => !item["@removed"]);
  return { there: there.map((item) => item.subject).sort(), gone: gone.length, next };
}

async function inOneBatch(marked, moved) {
  const request = (url, method, body) =>
    new Request(`${env.GRAPH_URL}/v1.0${user}${url}`, { method, headers: JSON_TYPE, body: JSON.stringify(body) });
  const letter = { message: { subject: `${subject} from a batch`, toRecipients: zoe } };
  const steps = [
    { id: "mark", request: request(`/messages/${marked}`, "PATCH", { isRead: false, categories: [`${subject} red`] }) },
    { id: "move", request: request(`/messages/${moved}/move`, "POST", { destinationId: "archive" }), dependsOn: ["mark"] },
    { id: "send", request: request("/sendMail", "POST", letter), dependsOn: ["move"] },
  ];
  const content = await new BatchRequestContent(steps).getContent();
  const answer = new BatchResponseContent(await client.api("/$batch").post(content));
  return steps.map(({ id }) => answer.getResponseById(id).status);
}

async function main() {
  await client.api(`${user}/outlook/masterCategories`).post({ displayName: `${subject} red`, color: "preset0" });
  const top = await client.api(`${user}/mailFolders`).post({ displayName: `${subject} top` });
  const folder = `${user}/mailFolders/${top.id}`;
  const drafts = [];
  for (let number = 0; number < 7; number += 1) {
    const body = { contentType: "html", content: `<p>Nummer <b>${number}</b></p>` };
    const draft = { subject: `${subject} ${number}`, body, toRecipients: zoe };
    drafts.push(await client.api(`${folder}/messages`).post(draft));
  }
  const first = await changes(`${folder}/messages/delta`);
  const pages = await all(client.api(`${folder}/messages`).select(["subject"]).orderby("subject desc").top(2));
  const here = (number) => client.api(`${user}/messages/${drafts[number].id}`);
  await attach(drafts[0].id);
  await here(0).patch({ subject: `${subject} with files` });
  const statuses = await inOneBatch(drafts[2].id, drafts[1].id);
  await here(3).delete();
  const then = await changes(first.next);
  await client.api(`${user}/messages/${drafts[0].id}/send`).post({});
  const sent = `${user}/mailFolders/sentitems/messages`;
  const [letter] = (await client.api(sent).filter(`subject eq '${subject} with files'`).get()).value;
  const original = `${user}/messages/${letter.id}`;
  const answer = await client.api(`${original}/createReply`).post({ comment: "Danke." });
  await client.api(`${original}/forward`).post({ comment: "Siehe unten.", toRecipients: zoe });
  await client.api(`${user}/messages/${drafts[4].id}/copy`).post({ destinationId: "archive" });
  const last = await changes(then.next);
  return {
    first: first.there,
    pages: pages.found.map((item) => item.subject),
    statuses,
    then: [then.there, then.gone],
    last: [last.there, last.gone],
    answer: [answer.subject, answer.isDraft, answer.conversationId === letter.conversationId],
  };
}

main().then((seen) => console.log(JSON.stringify(seen)));
