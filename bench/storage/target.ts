import { UsageError } from "../../std/config.ts";
import type { Endpoint } from "./http/connection.ts";
import { type PeakMemory, peakMemory } from "./peak-memory.ts";
import type { PayloadMode, S3Target } from "./s3-client.ts";
import { startThrowaway } from "./throwaway.ts";

export interface TargetConfig {
  endpoint: string | undefined;
  accessKey: string | undefined;
  secretKey: string | undefined;
  region: string;
  /** Path of a PEM file. */
  ca: string | undefined;
  payload: PayloadMode;
  scratch: string;
}

export interface RunTarget {
  target: S3Target;
  /** For the report. */
  url: string;
  /** Of the processes behind it, at their highest so far; empty where they are not ours to look at. */
  peakMemory(): PeakMemory[];
  stop(): Promise<void>;
}

/** The endpoint of the flags; undefined where they name none. Throws `UsageError`. */
export async function givenTarget(config: TargetConfig): Promise<RunTarget | undefined> {
  const { endpoint, accessKey, secretKey, region, payload } = config;
  if (endpoint === undefined) return undefined;
  if (accessKey === undefined || secretKey === undefined) {
    throw new UsageError("--endpoint needs --access-key and --secret-key");
  }
  const credentials = { accessKeyId: accessKey, secretAccessKey: secretKey };
  const target = { endpoint: await endpointOf(endpoint, config.ca), region, credentials, payload };
  return { target, url: endpoint, peakMemory: () => [], stop: async () => {} };
}

/** A Skerry that is started for this run, below `scratch`. */
export async function ownTarget({ scratch, payload }: TargetConfig): Promise<RunTarget> {
  const { directory, endpoint, region, credentials, stop } = await startThrowaway(scratch);
  const target = { endpoint: await endpointOf(endpoint, undefined), region, credentials, payload };
  return { target, url: `${endpoint} (throw-away)`, peakMemory: () => peakMemory(directory), stop };
}

async function endpointOf(text: string, caFile: string | undefined): Promise<Endpoint> {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || url.pathname !== "/") {
    throw new UsageError(`--endpoint ${text}: must be http://host[:port] or https://host[:port]`);
  }
  const secure = url.protocol === "https:";
  const port = Number(url.port) || (secure ? 443 : 80);
  const ca = caFile === undefined ? undefined : await Bun.file(caFile).text();
  return { hostname: url.hostname.replace(/^\[|\]$/g, ""), port, tls: secure ? { ca } : undefined };
}
