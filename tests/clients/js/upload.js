"use strict";
// microsoft-graph-client: a large file attached to a draft with LargeFileUploadTask.
// node upload.js MESSAGE_ID FILE SLICE...      a size of slices for each upload

const fs = require("node:fs");
const path = require("node:path");
const { FileUpload, LargeFileUploadTask } = require("@microsoft/microsoft-graph-client");
const { clientOf, env } = require("./connecting");

const [message, file, ...sizes] = process.argv.slice(2);

async function main() {
  const client = clientOf();
  const content = fs.readFileSync(file);
  const url = `/users/${env.MAILBOX}/messages/${message}/attachments/createUploadSession`;
  const locations = [];
  for (const [number, size] of sizes.entries()) {
    const name = `${number} ${path.basename(file)}`;
    const session = await LargeFileUploadTask.createUploadSession(client, url, {
      AttachmentItem: { attachmentType: "file", name, size: content.length },
    });
    const upload = new FileUpload(content, name, content.length);
    const task = new LargeFileUploadTask(client, upload, session, { rangeSize: Number(size) });
    const result = await task.upload();
    locations.push(result.location);
  }
  console.log(JSON.stringify(locations));
}

main();
