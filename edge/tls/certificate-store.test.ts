import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CertificateError, loadCertificate } from "./certificate-store.ts";
import { certificateNames } from "./names.ts";

const NOW = Date.now();
const DAY_MS = 86_400_000;
const NAMES = certificateNames("skerry.localhost", "127.0.0.1");

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "skerry-tls-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const load = (names = NAMES, now = NOW) => loadCertificate(directory, names, now);

function openssl(...argv: string[]): { code: number; text: string } {
  const { exitCode, stdout, stderr } = Bun.spawnSync(["openssl", ...argv]);
  return { code: exitCode, text: `${stdout}${stderr}` };
}

test("openssl accepts the chain for every name, and for no other", async () => {
  await load();
  const verify = (...rule: string[]) =>
    openssl(
      "verify",
      "-x509_strict",
      "-CAfile",
      join(directory, "ca.pem"),
      ...rule,
      join(directory, "server.pem"),
    );
  for (const name of [
    "skerry.localhost",
    "auth.skerry.localhost",
    "b.storage.skerry.localhost",
    "localhost",
  ]) {
    expect([name, verify("-verify_hostname", name, "-purpose", "sslserver").code]).toEqual([name, 0]);
  }
  expect(verify("-verify_ip", "127.0.0.1").code).toBe(0);
  expect(verify("-verify_ip", "::1").code).toBe(0);
  expect(verify("-verify_hostname", "example.com").code).not.toBe(0);
});

test("fetch trusts a server with the certificate through ca.pem alone", async () => {
  const { certificate, key, authorityPath } = await load();
  using server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    tls: { cert: certificate, key },
    fetch: () => new Response("trusted"),
  });
  const url = `https://127.0.0.1:${server.port}/`;
  const ca = await readFile(authorityPath, "utf8");
  expect(await (await fetch(url, { tls: { ca } })).text()).toBe("trusted");
  await expect(fetch(url)).rejects.toThrow(/certificate/i);
});

test("keys are readable by their owner alone", async () => {
  await load();
  for (const name of ["ca.key", "server.key"]) {
    expect((await stat(join(directory, name))).mode & 0o777).toBe(0o600);
  }
});

test("a certificate is kept while it is good, and the authority with it", async () => {
  const first = await load();
  expect(await load()).toEqual(first);
});

test("a certificate that ends within 30 days is renewed by the same authority", async () => {
  const first = await load();
  const authority = await readFile(first.authorityPath, "utf8");
  expect((await load(NAMES, NOW + 360 * DAY_MS)).certificate).toBe(first.certificate);
  const renewed = await load(NAMES, NOW + 370 * DAY_MS);
  expect(renewed.certificate).not.toBe(first.certificate);
  expect(await readFile(first.authorityPath, "utf8")).toBe(authority);
});

test("another domain or host gets a new certificate", async () => {
  const first = await load();
  const second = await load(certificateNames("cloud.example", "10.0.0.5"));
  expect(second.certificate).not.toBe(first.certificate);
  const shown = openssl("x509", "-in", join(directory, "server.pem"), "-noout", "-ext", "subjectAltName");
  expect(shown.text).toContain("DNS:*.apps.cloud.example");
  expect(shown.text).toContain("IP Address:10.0.0.5");
});

test("a start that was cut off between key and certificate is finished", async () => {
  await load();
  await rm(join(directory, "server.pem"));
  const { certificate } = await load();
  expect(await readFile(join(directory, "server.pem"), "utf8")).toBe(certificate);
});

test("an authority whose key is another's is refused instead of replaced", async () => {
  await load();
  const authority = await readFile(join(directory, "ca.pem"), "utf8");
  await writeFile(join(directory, "ca.key"), await readFile(join(directory, "server.key")));
  await expect(load()).rejects.toThrow(CertificateError);
  expect(await readFile(join(directory, "ca.pem"), "utf8")).toBe(authority);
});
