"use strict";
// microsoft-graph-client: send one message with everything a message can have.
// node send.js SUBJECT PICTURE FILE

const fs = require("node:fs");
const path = require("node:path");
const { clientOf, env } = require("./connecting");

const [subject, picture, file] = process.argv.slice(2);
const person = (address, name) => ({ emailAddress: { address, name } });
const attachment = (from, more) => ({
  "@odata.type": "#microsoft.graph.fileAttachment",
  name: path.basename(from),
  contentBytes: fs.readFileSync(from).toString("base64"),
  ...more,
});

const message = {
  subject,
  body: {
    contentType: "html",
    content: '<p>Größe: <b>5&nbsp;µm</b> — 寸法</p><img src="cid:logo@contoso.test" alt="logo">',
  },
  toRecipients: [person("zoe@remote.example", "Zoë Müller"), person("alex@contoso.test", "Alex Wilber")],
  ccRecipients: [person("sakura@remote.example", "田中さくら")],
  bccRecipients: [person("archive@remote.example", "The Archive")],
  replyTo: [person("office@contoso.test", "Büro, Erdgeschoß")],
  importance: "high",
  isReadReceiptRequested: true,
  isDeliveryReceiptRequested: true,
  internetMessageHeaders: [
    { name: "x-order-number", value: "4711" },
    { name: "x-campaign", value: "spring; wave=2" },
  ],
  attachments: [
    attachment(picture, { contentType: "image/png", contentId: "logo@contoso.test", isInline: true }),
    attachment(file, { contentType: "application/octet-stream" }),
  ],
};

clientOf()
  .api(`/users/${env.MAILBOX}/sendMail`)
  .post({ message })
  .then(async (answer) => console.log(JSON.stringify({ answer: await new Response(answer).text() })));
