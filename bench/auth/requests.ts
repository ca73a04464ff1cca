// Requests to the auth API as the gateway hands them over, in the same process.
import type { AuthApp } from "../../apis/auth/app.ts";

const ROOT = "https://skerry.localhost";

/** Signs in through the route that people use. Resolves with the status. */
export async function signIn(app: AuthApp, user: string, password: string, source: string): Promise<number> {
  const request = new Request(`${ROOT}/session`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ user, password }),
  });
  const response = await app.fetch(request, { source });
  await response.arrayBuffer();
  return response.status;
}

/** Asks who the bearer of a token is. Resolves with the status. */
export async function whoami(app: AuthApp, token: string): Promise<number> {
  const request = new Request(`${ROOT}/session`, { headers: { authorization: `Bearer ${token}` } });
  const response = await app.fetch(request, { source: "192.0.2.1" });
  await response.arrayBuffer();
  return response.status;
}
