import { afterAll, afterEach, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AuthApp, createAuthApp } from "../../apis/auth/app.ts";
import type { AuthService } from "../../apis/auth/service.ts";
import { AuthBench, PASSWORD } from "../../apis/auth/test-auth.ts";
import { createAuthority, issueCertificate } from "../../edge/tls/authority.ts";
import { certificateNames } from "../../edge/tls/names.ts";
import { silentLog } from "../../std/log.ts";
import { ROOT } from "../version.ts";

// A real PostgreSQL, and a process for each command, on a loaded machine.
setDefaultTimeout(60_000);

let bench: AuthBench;
let auth: AuthService;
let app: AuthApp;
let directory: string;
let url: string;
let stop: () => Promise<void>;

beforeAll(async () => {
  bench = await AuthBench.start();
  ({ auth } = await bench.open("main"));
  app = createAuthApp(auth, silentLog);
  await auth.ensureAdmin({ name: "admin", password: PASSWORD });
  const authority = await createAuthority(Date.now());
  const names = certificateNames("skerry.localhost", "127.0.0.1");
  const { certificate, key } = await issueCertificate(authority, names, Date.now());
  directory = await mkdtemp(join(tmpdir(), "skerry-login-"));
  await writeFile(join(directory, "ca.pem"), authority.certificate);
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    tls: { cert: certificate, key },
    fetch(request) {
      const at = new URL(request.url);
      if (!at.pathname.startsWith("/api/auth/")) return new Response("elsewhere", { status: 404 });
      return app.fetch(new Request(`${at.origin}${at.pathname.slice("/api/auth".length)}`, request), {
        source: "192.0.2.1",
      });
    },
  });
  url = `https://127.0.0.1:${server.port}`;
  stop = () => server.stop(true);
});

afterAll(async () => {
  await stop();
  await bench.stop();
  await rm(directory, { recursive: true });
});

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(directory, "home-"));
});
afterEach(() => {
  bench.clock.aheadMs = 0;
});

async function skerry(argv: string[], input = "") {
  const child = Bun.spawn([process.execPath, join(ROOT, "cli/skerry.ts"), ...argv], {
    env: { PATH: process.env.PATH ?? "", HOME: home },
    stdin: new Blob([input]),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code: await child.exited, out, err };
}

const login = (input = `${PASSWORD}\n`, ...more: string[]) =>
  skerry(["login", "--url", url, "--ca", join(directory, "ca.pem"), ...more], input);
const file = () => join(home, ".config/skerry/login.json");
const kept = async () => JSON.parse(await readFile(file(), "utf8"));

test("login keeps a session that only its owner can read, whoami tells it, logout ends it everywhere", async () => {
  expect(await login()).toEqual({ code: 0, out: `signed in to ${url} as admin\n`, err: "" });
  expect((await stat(file())).mode & 0o777).toBe(0o600);
  expect((await stat(join(home, ".config/skerry"))).mode & 0o777).toBe(0o700);
  expect(await readFile(file(), "utf8")).not.toContain(PASSWORD);
  expect(await skerry(["whoami"])).toEqual({ code: 0, out: `admin (admin) at ${url}\n`, err: "" });
  const { accessToken } = await kept();
  expect(await auth.verify(accessToken)).toMatchObject({ name: "admin" });
  expect(await skerry(["logout"])).toEqual({ code: 0, out: `signed out of ${url}\n`, err: "" });
  expect(await auth.verify(accessToken)).toBeUndefined();
  expect(await Bun.file(file()).exists()).toBe(false);
  expect(await skerry(["whoami"])).toEqual({
    code: 1,
    out: "",
    err: "skerry: not signed in; do so with: skerry login\n",
  });
});

test("an access token that ends soon is renewed, and the next refresh token kept", async () => {
  await login();
  const before = await kept();
  await writeFile(file(), JSON.stringify({ ...before, accessExpiresAt: Date.now() }));
  const told = JSON.parse((await skerry(["whoami", "--json"])).out);
  expect(told).toMatchObject({ url, name: "admin", admin: true });
  const after = await kept();
  expect(after.refreshToken).not.toBe(before.refreshToken);
  expect(await auth.session(after.accessToken)).toMatchObject({ principal: { name: "admin" } });
});

test("a session that was ended elsewhere is told, and logout forgets it", async () => {
  await login();
  const { accessToken } = await kept();
  await auth.signOut((await auth.session(accessToken))!);
  const over = { code: 1, err: "skerry: the session is over; sign in with: skerry login\n" };
  expect(await skerry(["whoami"])).toMatchObject(over);
  await writeFile(file(), JSON.stringify({ ...(await kept()), accessExpiresAt: 0 }));
  expect(await skerry(["whoami"])).toMatchObject(over);
  expect((await skerry(["logout"])).code).toBe(0);
  expect(await Bun.file(file()).exists()).toBe(false);
});

test("a wrong password, an untrusted certificate and a cloud that is not there exit with 1 and say so", async () => {
  const wrong = await login("a wrong guess\n");
  expect([wrong.code, wrong.err]).toEqual([1, "skerry: The user name or the password is wrong\n"]);
  const untrusted = await skerry(["login", "--url", url], PASSWORD);
  expect([untrusted.code, untrusted.err]).toEqual([1, expect.stringContaining("is not trusted")]);
  expect(untrusted.err).toContain("--ca FILE");
  const nowhere = await skerry(["login", "--url", "https://127.0.0.1:1"], PASSWORD);
  expect([nowhere.code, nowhere.err]).toEqual([
    1,
    expect.stringContaining("cannot reach https://127.0.0.1:1"),
  ]);
  const empty = await login("");
  expect([empty.code, empty.err]).toEqual([1, "skerry: there is no password on standard input\n"]);
  const noFile = await skerry(["login", "--url", url, "--ca", join(directory, "none.pem")], PASSWORD);
  expect([noFile.code, noFile.err]).toEqual([1, expect.stringContaining("none.pem: ENOENT")]);
  expect(await Bun.file(file()).exists()).toBe(false);
});

test("S21: wrong usage exits with 2, and a password goes nowhere in the clear", async () => {
  for (const [argv, said] of [
    [["login", "--url", "http://cloud.test"], "must be https://"],
    [["login", "--url", "cloud"], "must be https://"],
    [["login", "me"], '"me" is no flag of login'],
    [["logout", "now"], '"now" is no flag of logout'],
    [["whoami", "--yaml"], "--yaml"],
  ] as const) {
    const { code, err } = await skerry([...argv], PASSWORD);
    expect([argv, code, err]).toEqual([argv, 2, expect.stringContaining(said)]);
  }
});

test("an answer that is not from a cloud, and a file that was altered, are told in words", async () => {
  await login();
  const elsewhere = { ...(await kept()), url: `${url}/elsewhere` };
  await writeFile(file(), JSON.stringify(elsewhere));
  expect((await skerry(["whoami"])).err).toContain("does not answer as a cloud");
  await writeFile(file(), "{");
  const damaged = await skerry(["whoami"]);
  expect([damaged.code, damaged.err]).toEqual([1, expect.stringContaining("is damaged")]);
});
