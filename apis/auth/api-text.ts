import type { ApiText } from "../openapi/document.ts";
import * as answer from "./answers.ts";
import { refreshBody } from "./sessions/request-schemas.ts";

const DONE = { 204: null } as const;

export const AUTH_TEXT = {
  service: "auth",
  title: "Skerry identity",
  routes: {
    "GET /.well-known/jwks.json": {
      summary: "The keys that access tokens are signed with (RFC 7517)",
      answers: { 200: answer.jwks },
    },

    "POST /session": {
      summary: "Signs in with a password; 202 where a second factor is still wanted",
      answers: { 201: answer.signedIn, 202: answer.secondFactor },
    },
    "POST /session/refresh": {
      summary: "Goes on with a session: the refresh token is in the body, or a page's in its cookie",
      body: refreshBody,
      answers: { 200: answer.signedIn },
    },
    "POST /session/passkey/options": {
      summary: "Begins to sign in with a passkey",
      answers: { 200: answer.ceremony },
    },
    "POST /session/passkey": { summary: "Signs in with a passkey", answers: { 201: answer.signedIn } },
    "POST /session/second-factor": {
      summary: "Ends a sign-in with the second factor",
      answers: { 201: answer.signedIn },
    },
    "GET /session": { summary: "Who one is", answers: { 200: answer.session } },
    "DELETE /session": { summary: "Signs out", answers: DONE },
    "GET /sessions": { summary: "Lists sessions", answers: { 200: answer.sessions } },
    "DELETE /sessions": { summary: "Ends all sessions but this one", answers: { 200: answer.ended } },
    "DELETE /sessions/:id": { summary: "Ends a session", answers: DONE },
    "POST /tickets": {
      summary: "Makes a one-time ticket, good for one GET of the path as `?token=`",
      answers: { 201: answer.ticket },
    },

    "GET /sign-in-methods": {
      summary: "How one can sign in here, and whether one may sign up",
      answers: { 200: answer.signInMethods },
    },
    "POST /sign-up": {
      summary: "Makes an account, unless the name is taken: the answer does not tell",
      answers: { 202: null },
    },
    "GET /settings": { summary: "Whether sign-up is open", answers: { 200: answer.settings } },
    "PUT /settings": { summary: "Opens or closes sign-up", answers: { 200: answer.settings } },
    "POST /users/:name/password-reset": {
      summary: "Makes a token for a new password",
      answers: { 201: answer.secretUntil },
    },
    "POST /password-reset": { summary: "Sets a password with such a token", answers: DONE },

    "GET /users": { summary: "Lists users", answers: { 200: answer.users } },
    "POST /users": { summary: "Makes a user", answers: { 201: answer.user } },
    "GET /users/:name": {
      summary: "A user, with roles, groups and boundary",
      answers: { 200: answer.userWithAccess },
    },
    "PATCH /users/:name": {
      summary: "Disables or enables a user, or makes one an administrator",
      answers: { 200: answer.user },
    },
    "DELETE /users/:name": {
      summary: "Removes a user, whose buckets go to another or away, as asked",
      answers: DONE,
    },
    "PUT /users/:name/password": {
      summary: "Sets a password; one's own with the present one",
      answers: DONE,
    },
    "PUT /users/:name/boundary": { summary: "Bounds what a user may do by a role", answers: DONE },
    "DELETE /users/:name/boundary": { summary: "Takes a user's boundary away", answers: DONE },
    "PUT /users/:name/roles/:role": { summary: "Attaches a role to a user", answers: DONE },
    "DELETE /users/:name/roles/:role": { summary: "Detaches a role from a user", answers: DONE },
    "DELETE /users/:name/passkeys": {
      summary: "Takes all of a user's passkeys away",
      answers: { 200: answer.removed },
    },

    "GET /groups": { summary: "Lists groups", answers: { 200: answer.groups } },
    "POST /groups": { summary: "Makes a group", answers: { 201: answer.group } },
    "GET /groups/:name": { summary: "A group and its members", answers: { 200: answer.group } },
    "PATCH /groups/:name": { summary: "Renames a group", answers: DONE },
    "DELETE /groups/:name": { summary: "Removes a group", answers: DONE },
    "PUT /groups/:name/members/:user": { summary: "Takes a user into a group", answers: DONE },
    "DELETE /groups/:name/members/:user": { summary: "Takes a user out of a group", answers: DONE },
    "PUT /groups/:name/roles/:role": { summary: "Attaches a role to a group", answers: DONE },
    "DELETE /groups/:name/roles/:role": { summary: "Detaches a role from a group", answers: DONE },

    "GET /roles": { summary: "Lists roles", answers: { 200: answer.roles } },
    "POST /roles": { summary: "Makes a role of a policy", answers: { 201: answer.role } },
    "GET /roles/:name": { summary: "A role and its policy", answers: { 200: answer.role } },
    "PUT /roles/:name": { summary: "Gives a role another policy", answers: { 200: answer.role } },
    "DELETE /roles/:name": { summary: "Removes a role that nobody has", answers: DONE },
    "GET /explain": {
      summary: "Which statement allows or refuses something",
      answers: { 200: answer.explanation },
    },

    "GET /keys": { summary: "Lists S3 access keys", answers: { 200: answer.keys } },
    "POST /keys": {
      summary: "Makes an S3 access key; its secret is told only here",
      answers: { 201: answer.newKey },
    },
    "POST /keys/import": { summary: "Takes in a pair that one has", answers: { 201: answer.key } },
    "PATCH /keys/:id": { summary: "Disables or enables an access key", answers: DONE },
    "DELETE /keys/:id": { summary: "Revokes an access key", answers: DONE },

    "GET /tokens": { summary: "Lists API tokens", answers: { 200: answer.tokens } },
    "POST /tokens": {
      summary: "Makes an API token; it is told only here",
      answers: { 201: answer.newToken },
    },
    "DELETE /tokens/:id": { summary: "Revokes an API token", answers: DONE },

    "GET /service-accounts": { summary: "Lists service accounts", answers: { 200: answer.serviceAccounts } },
    "POST /service-accounts": { summary: "Makes a service account", answers: { 201: answer.serviceAccount } },
    "GET /service-accounts/:name": { summary: "A service account", answers: { 200: answer.serviceAccount } },
    "PATCH /service-accounts/:name": {
      summary: "Disables or enables a service account",
      answers: { 200: answer.serviceAccount },
    },
    "DELETE /service-accounts/:name": { summary: "Removes a service account", answers: DONE },
    "PUT /service-accounts/:name/boundary": {
      summary: "Bounds what a service account may do by a role",
      answers: DONE,
    },
    "DELETE /service-accounts/:name/boundary": {
      summary: "Takes a service account's boundary away",
      answers: DONE,
    },
    "PUT /service-accounts/:name/roles/:role": {
      summary: "Attaches a role to a service account",
      answers: DONE,
    },
    "DELETE /service-accounts/:name/roles/:role": {
      summary: "Detaches a role from a service account",
      answers: DONE,
    },

    "GET /passkeys": { summary: "Lists one's own passkeys", answers: { 200: answer.passkeys } },
    "POST /passkeys/registration": { summary: "Begins to add a passkey", answers: { 200: answer.ceremony } },
    "POST /passkeys": { summary: "Adds a passkey", answers: { 201: answer.passkey } },
    "PATCH /passkeys/:id": { summary: "Renames a passkey", answers: DONE },
    "DELETE /passkeys/:id": { summary: "Removes a passkey", answers: DONE },

    "GET /openid/providers": {
      summary: "Lists OpenID Connect providers",
      answers: { 200: answer.providers },
    },
    "PUT /openid/providers/:id": { summary: "Adds or changes a provider", answers: DONE },
    "DELETE /openid/providers/:id": { summary: "Removes a provider", answers: DONE },
    "GET /openid/:id/start": { summary: "Sends the browser to a provider", answers: { 303: null } },
    "GET /openid/:id/callback": {
      summary: "Where a provider sends the browser back to",
      answers: { 303: null },
    },
    "POST /openid/:id/link": {
      summary: "Begins to link an account elsewhere; the page is to go to the URL",
      answers: { 200: answer.departure },
    },
    "GET /identities": {
      summary: "Lists one's linked accounts elsewhere",
      answers: { 200: answer.identities },
    },
    "DELETE /identities/:id": { summary: "Unlinks an account elsewhere", answers: DONE },
  },
} as const satisfies ApiText;
