"use strict";
// microsoft-graph-client: print the message of a subject as it is in a folder, attachments and MIME included.
// node read.js SUBJECT MAILBOX FOLDER MIME-FILE

const crypto = require("node:crypto");
const fs = require("node:fs");
const { PageIterator, ResponseType } = require("@microsoft/microsoft-graph-client");
const { clientOf } = require("./connecting");

const FIELDS = [
  ..."subject body from sender toRecipients ccRecipients bccRecipients replyTo importance".split(" "),
  ..."isReadReceiptRequested isDeliveryReceiptRequested hasAttachments isDraft".split(" "),
  ..."internetMessageHeaders internetMessageId".split(" "),
];
const sha256 = (bytes) => crypto.createHash("sha256").update(bytes).digest("hex");
const people = (recipients) => recipients.map(({ emailAddress: { name, address } }) => [name, address]);

async function find(client, user, folder, subject) {
  const all = [];
  const page = await client
    .api(`${user}/mailFolders/${folder}/messages`)
    .select(["id", "subject"])
    .orderby("receivedDateTime desc")
    .top(2)
    .get();
  await new PageIterator(client, page, (item) => all.push(item)).iterate();
  return all.filter((item) => item.subject === subject);
}

async function attachmentOf(client, message, attachment) {
  const raw = await client
    .api(`${message}/attachments/${attachment.id}/$value`)
    .responseType(ResponseType.ARRAYBUFFER)
    .get();
  return {
    class: attachment["@odata.type"] === "#microsoft.graph.fileAttachment" ? "FileAttachment" : "",
    name: attachment.name,
    type: attachment.contentType,
    inline: attachment.isInline,
    content_id: attachment.contentId,
    sha256: sha256(Buffer.from(attachment.contentBytes, "base64")),
    raw_sha256: sha256(Buffer.from(raw)),
  };
}

async function main(subject, mailbox, folder, mimeFile) {
  const client = clientOf();
  const user = `/users/${mailbox}`;
  const found = await find(client, user, folder, subject);
  if (found.length !== 1) return found.length ? found : null;
  const where = `${user}/messages/${found[0].id}`;
  const message = await client.api(where).select(FIELDS).get();
  fs.writeFileSync(mimeFile, await client.api(`${where}/$value`).get());
  const attachments = await client.api(`${where}/attachments`).get();
  return {
    subject: message.subject,
    kind: message.body.contentType,
    body: message.body.content,
    from: people([message.from]),
    sender: people([message.sender]),
    to: people(message.toRecipients),
    cc: people(message.ccRecipients),
    bcc: people(message.bccRecipients),
    reply_to: people(message.replyTo),
    importance: message.importance,
    read_receipt: message.isReadReceiptRequested,
    delivery_receipt: message.isDeliveryReceiptRequested,
    is_draft: message.isDraft,
    has_attachments: message.hasAttachments,
    headers: (message.internetMessageHeaders ?? []).map(({ name, value }) => [name, value]),
    message_id: message.internetMessageId,
    attachments: await Promise.all(attachments.value.map((each) => attachmentOf(client, where, each))),
  };
}

main(...process.argv.slice(2)).then((seen) => console.log(JSON.stringify(seen)));
