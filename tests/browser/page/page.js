"use strict";
// A single-page application as its makers write it: MSAL signs in, the Graph client does the rest.
// `settings` says who it is, and where Graphpost is when it is not where Microsoft's own would be.

const scopes = ["User.Read", "Mail.ReadWrite", "Mail.Send"];
const popupScopes = { scopes, redirectUri: settings.silentUri };
let application;
let graph;

async function start() {
  application = new msal.PublicClientApplication({
    auth: {
      clientId: settings.clientId,
      authority: settings.authority,
      knownAuthorities: settings.knownAuthorities,
      redirectUri: settings.redirectUri,
      postLogoutRedirectUri: location.origin + "/",
    },
    system: { iframeHashTimeout: 60_000, iframeBridgeTimeout: 60_000 }, // milliseconds: other programs may be busy here
  });
  await application.initialize();
  const answer = await application.handleRedirectPromise();
  if (answer) application.setActiveAccount(answer.account);
  return account();
}

function account() {
  const [found] = application.getAllAccounts();
  if (!found) return null;
  application.setActiveAccount(found);
  const { AuthCodeMSALBrowserAuthenticationProvider } = MSGraphAuthCodeMSALBrowserAuthProvider;
  const interactionType = msal.InteractionType.Popup;
  graph = MicrosoftGraph.Client.initWithMiddleware({
    authProvider: new AuthCodeMSALBrowserAuthenticationProvider(application, { account: found, scopes, interactionType }),
    ...(settings.graphUrl && {
      baseUrl: settings.graphUrl,
      customHosts: new Set([new URL(settings.graphUrl).hostname]),
    }),
  });
  return found.username;
}

function signInByRedirect() {
  application.loginRedirect({ scopes });
}

async function signInByPopup() {
  const answer = await application.loginPopup(popupScopes);
  application.setActiveAccount(answer.account);
  return account();
}

// Somebody is signed in elsewhere in this browser: no question is asked.
async function signInSilently(loginHint) {
  const answer = await application.ssoSilent({ ...popupScopes, loginHint });
  application.setActiveAccount(answer.account);
  return account();
}

// "AccessToken" is the cache's; "RefreshToken", "Skip" (a frame alone) and "Default" (both) do without the cache.
async function token(policy) {
  const cacheLookupPolicy = msal.CacheLookupPolicy[policy];
  try {
    const wanted = { ...popupScopes, account: application.getActiveAccount(), cacheLookupPolicy };
    const answer = await application.acquireTokenSilent({ ...wanted, forceRefresh: policy === "Default" });
    return { token: answer.accessToken, fromCache: answer.fromCache };
  } catch (error) {
    return { error: error.errorCode, text: error.message };
  }
}

async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    return { status: error.statusCode, code: error.code, message: error.message, requestId: error.requestId };
  }
}

function me() {
  return attempt(() => graph.api("/me").get());
}

function send(subject, to) {
  const toRecipients = [{ emailAddress: { address: to } }];
  return attempt(async () => {
    await graph.api("/me/sendMail").post({ message: { subject, toRecipients } });
    return "sent";
  });
}

function list(folder) {
  return attempt(async () => {
    const found = await graph.api(`/me/mailFolders/${folder}/messages`).select("subject").top(5).get();
    return found.value.map((message) => message.subject);
  });
}

function read(id) {
  return attempt(() => graph.api(`/me/messages/${id}`).get());
}

function batch() {
  const requests = [{ id: "1", method: "GET", url: "/me" }];
  return attempt(() => graph.api("/$batch").post({ requests }));
}

// A draft with a large file: by the client's own task, or slice by slice with nothing but fetch and no token.
async function upload(size, slice, plainly) {
  const draft = await graph.api("/me/messages").post({ subject: "A large file" });
  const content = new Uint8Array(size).map((_, i) => (i * 31) % 251);
  const session = await graph
    .api(`/me/messages/${draft.id}/attachments/createUploadSession`)
    .post({ AttachmentItem: { attachmentType: "file", name: "large.bin", size } });
  const where = plainly ? await putAll(session.uploadUrl, content, slice) : await putByTask(session, content, slice);
  const found = await graph.api(`/me/messages/${draft.id}/attachments`).select("name,size").get();
  return { where, names: found.value.map((attachment) => attachment.name) };
}

async function putByTask(session, content, rangeSize) {
  const { FileUpload, LargeFileUploadTask } = MicrosoftGraph;
  const file = new FileUpload(new File([content], "large.bin"), "large.bin", content.length);
  const own = { url: session.uploadUrl, expiry: new Date(session.expirationDateTime) };
  const task = new LargeFileUploadTask(graph, file, own, { rangeSize });
  const result = await task.upload();
  return result.location;
}

async function putAll(url, content, slice) {
  let answer;
  for (let from = 0; from < content.length; from += slice) {
    const part = content.slice(from, from + slice);
    const range = `bytes ${from}-${from + part.length - 1}/${content.length}`;
    answer = await fetch(url, { method: "PUT", headers: { "Content-Range": range }, body: part });
  }
  return answer.headers.get("Location");
}

// What fetch shows of an answer; "hidden" when the browser keeps it from the page.
async function ask(method, url, headers, body) {
  try {
    const answer = await fetch(url, { method, headers, body });
    return { status: answer.status, body: await answer.text(), headers: Object.fromEntries(answer.headers) };
  } catch (error) {
    return "hidden";
  }
}

function signOutByPopup() {
  return application.logoutPopup({ account: application.getActiveAccount(), postLogoutRedirectUri: settings.silentUri });
}

function signOut() {
  application.logoutRedirect({ account: application.getActiveAccount() });
}
