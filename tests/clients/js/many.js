"use strict";
// microsoft-graph-client: many messages through one client, so many at a time.
// node many.js SUBJECT COUNT AT_A_TIME       the subject gets the number appended

const { clientOf, env } = require("./connecting");

const [subject, count, atATime] = process.argv.slice(2);
const client = clientOf();
let next = 0;

async function work() {
  while (next < Number(count)) {
    const number = next++;
    const message = {
      subject: `${subject} ${number}`,
      body: { contentType: "Text", content: `Number ${number}.` },
      toRecipients: [{ emailAddress: { address: `zoe+${number}@remote.example` } }],
    };
    await client.api(`/users/${env.MAILBOX}/sendMail`).post({ message, saveToSentItems: false });
  }
}

async function main() {
  await Promise.all(Array.from({ length: Number(atATime) }, work));
  console.log(JSON.stringify("done"));
}

main();
