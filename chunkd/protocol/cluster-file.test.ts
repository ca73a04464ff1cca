import { expect, test } from "bun:test";
import { UsageError } from "../../std/config.ts";
import { parseClusterFile, readClusterFile } from "./cluster-file.ts";

const SECRETS = { clusterId: "0".repeat(32), clusterSecret: "ab".repeat(32), controlSecret: "cd".repeat(32) };

test("a cluster file gives its secrets, and nothing else that stands in it", () => {
  expect(parseClusterFile("f", JSON.stringify({ ...SECRETS, more: 1 }))).toEqual(SECRETS);
});

test("the control secret may be left out", () => {
  const { controlSecret: _, ...rest } = SECRETS;
  expect(parseClusterFile("f", JSON.stringify(rest))).toEqual(rest);
});

test.each([
  ["not JSON", "{", "JSON object"],
  ["null", "null", "JSON object"],
  ["a short cluster id", JSON.stringify({ ...SECRETS, clusterId: "00" }), "clusterId"],
  ["a secret that is no hex", JSON.stringify({ ...SECRETS, clusterSecret: "z".repeat(64) }), "clusterSecret"],
  ["a short secret", JSON.stringify({ ...SECRETS, controlSecret: "ab" }), "controlSecret"],
])("%s is refused by name", (_what, content, name) => {
  expect(() => parseClusterFile("/x/cluster.json", content)).toThrow(UsageError);
  expect(() => parseClusterFile("/x/cluster.json", content)).toThrow(name);
});

test("a file that is not there is wrong usage, and the message names it", async () => {
  const reading = readClusterFile("/nonexistent/cluster.json");
  await expect(reading).rejects.toThrow(UsageError);
  await expect(reading).rejects.toThrow("/nonexistent/cluster.json cannot be read (ENOENT)");
});
