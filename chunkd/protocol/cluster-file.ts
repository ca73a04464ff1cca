import { readFile } from "node:fs/promises";
import { UsageError } from "../../std/config.ts";
import type { ClusterSecrets } from "./handshake.ts";

/** Shorter secrets could be guessed; 16 bytes as hex. */
const SECRET_LENGTH_MIN = 32;

/**
 * Reads the JSON file that `--cluster` names: `{"clusterId": 32 hex digits, "clusterSecret": hex, "controlSecret": hex}`.
 * `controlSecret` may be absent for parts that only read and append. Throws {@link UsageError} that says what to do.
 */
export async function readClusterFile(path: string): Promise<ClusterSecrets> {
  let content: string;
  try {
    content = await readFile(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageError(
      `the cluster file ${path} cannot be read (${code}): copy it from the machine that runs masterd`,
    );
  }
  return parseClusterFile(path, content);
}

/** The secrets in `content`; `path` is for the message. Throws {@link UsageError}. */
export function parseClusterFile(path: string, content: string): ClusterSecrets {
  const fields = parseObject(path, content);
  const { clusterId, clusterSecret, controlSecret } = fields;
  if (typeof clusterId !== "string" || !/^[0-9a-f]{32}$/.test(clusterId)) {
    throw wrong(path, "clusterId must be 32 hex digits in lower case");
  }
  if (!isSecret(clusterSecret))
    throw wrong(path, `clusterSecret must be at least ${SECRET_LENGTH_MIN} hex digits`);
  if (controlSecret === undefined) return { clusterId, clusterSecret };
  if (!isSecret(controlSecret))
    throw wrong(path, `controlSecret must be at least ${SECRET_LENGTH_MIN} hex digits`);
  return { clusterId, clusterSecret, controlSecret };
}

function parseObject(path: string, content: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(content);
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch {
    // Not JSON: the same as JSON of the wrong shape.
  }
  throw wrong(path, "it must be a JSON object");
}

function isSecret(value: unknown): value is string {
  return typeof value === "string" && value.length >= SECRET_LENGTH_MIN && /^[0-9a-f]+$/i.test(value);
}

function wrong(path: string, what: string): UsageError {
  return new UsageError(
    `the cluster file ${path} is not right: ${what}. Copy it from the machine that runs masterd`,
  );
}
