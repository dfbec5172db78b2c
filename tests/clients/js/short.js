"use strict";
// microsoft-graph-client: a short text with each kind of credential, saved nowhere; then a file of MIME.
// The empty answer comes back as a stream with nothing in it.
// node short.js SUBJECT MIME-FILE KIND...       the subject gets the kind appended

const fs = require("node:fs");
const { clientOf, env } = require("./connecting");

const [subject, mime, ...kinds] = process.argv.slice(2);
const own = `/users/${env.MAILBOX}/sendMail`;

async function send(kind) {
  const message = {
    subject: `${subject} ${kind}`,
    body: { contentType: "Text", content: `Grüße,\r\n.\r\n.von ${kind}\r\n` },
    toRecipients: [{ emailAddress: { address: "zoe@remote.example" } }],
  };
  const path = kind === "device" || kind === "password" ? "/me/sendMail" : own;
  return clientOf(kind).api(path).post({ message, saveToSentItems: false });
}

async function main() {
  const answers = [];
  for (const kind of kinds) answers.push(await send(kind));
  const base64 = fs.readFileSync(mime).toString("base64");
  answers.push(await clientOf().api(own).header("Content-Type", "text/plain").post(base64));
  console.log(JSON.stringify(await Promise.all(answers.map((answer) => new Response(answer).text()))));
}

main();
