import { expect, test } from "bun:test";
import { mayReach } from "./provider-reach.ts";

const NAMES: Record<string, string[]> = {
  "keys.example.com": ["192.0.2.10", "2001:db8::10"],
  "inside.example.com": ["10.0.0.5"],
  "half.example.com": ["192.0.2.10", "127.0.0.1"],
  "mapped.example.com": ["::ffff:169.254.169.254"],
  "login.corp": ["10.0.0.7"],
  "vault.corp": ["10.0.0.8"],
};

async function resolve(name: string): Promise<string[]> {
  const addresses = NAMES[name];
  if (addresses === undefined) throw new Error(`no such name: ${name}`);
  return addresses;
}

const may = (issuer: string, url: string) => mayReach(new URL(issuer), new URL(url), resolve);

test("S13: a provider leads to its own host and to what is public", async () => {
  for (const url of [
    "https://login.example.com/token",
    "https://login.example.com:8443/keys",
    "https://keys.example.com/jwks",
    "https://192.0.2.10/jwks",
    "https://[2001:db8::10]/jwks",
  ]) {
    expect([url, await may("https://login.example.com", url)]).toEqual([url, true]);
  }
});

test.each([
  "http://login.example.com/token",
  "http://127.0.0.1:9000/token",
  "http://localhost:9000/token",
  "https://127.0.0.1:9000/token",
  "https://localhost/token",
  "https://0x7f.1/token",
  "https://2130706433/token",
  "https://0.0.0.0/token",
  "https://[::1]/token",
  "https://[::]/token",
  "https://[::ffff:127.0.0.1]/token",
  "https://[64:ff9b::7f00:1]/token",
  "https://[fd00::1]/token",
  "https://[fe80::1]/token",
  "https://10.0.0.1/token",
  "https://172.31.255.255/token",
  "https://192.168.1.1/token",
  "https://100.64.0.1/token",
  "https://169.254.169.254/latest/meta-data/",
  "https://inside.example.com/token",
  "https://half.example.com/token",
  "https://mapped.example.com/token",
  "https://nowhere.example.com/token",
  "file:///etc/passwd",
  "gopher://127.0.0.1:6379/_",
])("S13: a provider on the internet does not lead to %s", async (url) => {
  expect(await may("https://login.example.com", url)).toBe(false);
});

test("S13: a provider in this network has its parts at its own host; its name is no proof that it is there", async () => {
  expect(await may("https://login.corp", "https://login.corp/token")).toBe(true);
  expect(await may("https://login.corp", "https://vault.corp/token")).toBe(false);
  expect(await may("https://10.0.0.7", "https://10.0.0.8/token")).toBe(true);
  expect(await may("http://localhost:5556", "http://127.0.0.1:5557/token")).toBe(true);
  expect(await may("http://localhost:5556", "http://10.0.0.8/token")).toBe(false);
});
