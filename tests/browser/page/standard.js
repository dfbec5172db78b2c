"use strict";
// A page whose client knows OpenID Connect and nothing of Entra.  It is where every answer comes, in a frame too.

const manager = new oidc.UserManager({
  authority: settings.authority + "/v2.0",
  client_id: settings.clientId,
  redirect_uri: location.origin + "/standard.html",
  post_logout_redirect_uri: location.origin + "/standard.html",
  scope: "openid profile offline_access https://graph.microsoft.com/User.Read",
});
const { search } = location;
const started = search.includes("code=") ? manager.signinCallback() : search && manager.signoutCallback();

async function person() {
  const user = await manager.getUser();
  return user && user.profile.preferred_username;
}

async function renew(byFrame) {
  const before = await manager.getUser();
  if (byFrame) await manager.storeUser(Object.assign(before, { refresh_token: undefined }));
  const after = await manager.signinSilent();
  return after.access_token !== before.access_token;
}

function signIn() {
  manager.signinRedirect();
}

function signOut() {
  manager.signoutRedirect({ state: "what it was about" });
}
