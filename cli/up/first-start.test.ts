import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readClusterFile } from "../../chunkd/protocol/cluster-file.ts";
import { systemRandom } from "../../std/random.ts";
import { DataDirectory } from "../data-directory.ts";
import { type Endpoints, endpointsAt, refreshCredentials, writeCredentials } from "./credentials.ts";
import { forgetFirstSecrets, prepareSecrets, writeApisCluster } from "./first-start.ts";
import { settleLayout } from "./layout.ts";
import type { UpConfig } from "./settings.ts";

let scratch: string;
let data: DataDirectory;

beforeEach(async () => {
  scratch = mkdtempSync(join(tmpdir(), "skerry-first-"));
  data = new DataDirectory(join(scratch, "data"));
  await data.prepare();
});
afterEach(() => rmSync(scratch, { recursive: true, force: true }));

const read = (path: string) => JSON.parse(readFileSync(path, "utf8"));
const config = (more: Partial<UpConfig> = {}): UpConfig =>
  ({ chunkservers: 3, disk: [], ...more }) as UpConfig;

describe("the data directory", () => {
  test("is closed to others", () => {
    expect(statSync(data.path).mode & 0o777).toBe(0o700);
  });

  test("is refused when it holds somebody else's files", async () => {
    const other = new DataDirectory(join(scratch, "photos"));
    mkdirSync(other.path);
    writeFileSync(join(other.path, "holiday.jpg"), "");
    await expect(other.prepare()).rejects.toThrow(/holds other files \(holiday\.jpg\); choose .* --data/);
  });

  test("is refused when its path leads through a file", async () => {
    writeFileSync(join(scratch, "file"), "");
    await expect(new DataDirectory(join(scratch, "file/data")).prepare()).rejects.toThrow(
      /a part of the path is a file/,
    );
  });

  test("with a long path has its sockets elsewhere, closed to others", async () => {
    const long = new DataDirectory(join(scratch, "d".repeat(120)));
    await long.prepare();
    expect(long.adminSocket.length).toBeLessThan(104);
    expect(statSync(long.sockets).mode & 0o777).toBe(0o700);
    rmSync(long.sockets, { recursive: true });
  });
});

describe("secrets", () => {
  test("S14: are made once, and differ from cloud to cloud", async () => {
    const secrets = (await prepareSecrets(data, systemRandom))!;
    expect(secrets.accessKeyId).toMatch(/^SK[A-Z0-9]{18}$/);
    expect(secrets.secretAccessKey).toMatch(/^[A-Za-z0-9]{40}$/);
    expect(secrets.password).toMatch(/^[a-z2-9]{24}$/);
    const other = new DataDirectory(join(scratch, "other"));
    await other.prepare();
    expect((await prepareSecrets(other, systemRandom))!.password).not.toBe(secrets.password);
  });

  test("of a first start that was cut off are those of the next start", async () => {
    const first = await prepareSecrets(data, systemRandom);
    const cluster = read(data.clusterFile);
    expect(await prepareSecrets(data, systemRandom)).toEqual(first);
    rmSync(data.clusterFile);
    expect(await prepareSecrets(data, systemRandom)).toEqual(first);
    expect(read(data.clusterFile).clusterId).not.toBe(cluster.clusterId);
  });

  test("are not made again once the first start is through", async () => {
    await prepareSecrets(data, systemRandom);
    await forgetFirstSecrets(data);
    expect(await prepareSecrets(data, systemRandom)).toBeUndefined();
  });

  test("S14, E19: of the cluster are readable by their owner alone; the gateway's copy cannot command chunkservers", async () => {
    await prepareSecrets(data, systemRandom);
    const apis = await writeApisCluster(data);
    const whole = await readClusterFile(data.clusterFile);
    const { controlSecret, ...rest } = whole;
    expect(controlSecret).toMatch(/^[0-9a-f]{64}$/);
    expect(await readClusterFile(apis)).toEqual(rest);
    for (const path of [apis, data.clusterFile, data.firstStartFile]) {
      expect(statSync(path).mode & 0o777).toBe(0o600);
    }
  });
});

describe("credentials.json", () => {
  const secrets = { user: "admin", password: "p", accessKeyId: "SKA", secretAccessKey: "s" };
  const at = (host: string): Endpoints =>
    endpointsAt(host, { https: 8443, s3: 8333, ssh: 2222 }, "us-east-1", "/d/ca.pem");

  test("has the form that scripts rely on", async () => {
    await writeCredentials(data, secrets, at("127.0.0.1"));
    expect(read(data.credentialsFile)).toEqual({
      console: { url: "https://127.0.0.1:8443", user: "admin", password: "p" },
      s3: {
        endpoint: "http://127.0.0.1:8333",
        region: "us-east-1",
        accessKeyId: "SKA",
        secretAccessKey: "s",
      },
      ssh: { host: "127.0.0.1", port: 2222 },
      ca: "/d/ca.pem",
    });
    expect(statSync(data.credentialsFile).mode & 0o777).toBe(0o600);
  });

  test("names an address that can be reached, also where all are listened on", () => {
    expect(at("0.0.0.0").console).toBe("https://127.0.0.1:8443");
    expect(at("::").s3).toBe("http://[::1]:8333");
    expect(at("10.0.0.5").sshHost).toBe("10.0.0.5");
  });

  test("follows a later start to other ports, and keeps its secrets", async () => {
    await writeCredentials(data, secrets, at("127.0.0.1"));
    await refreshCredentials(data, at("10.0.0.5"));
    expect(read(data.credentialsFile)).toMatchObject({
      console: { url: "https://10.0.0.5:8443", password: "p" },
      s3: { endpoint: "http://10.0.0.5:8333", secretAccessKey: "s" },
    });
  });

  test("stays away where somebody has removed it", async () => {
    await refreshCredentials(data, at("127.0.0.1"));
    expect(await Bun.file(data.credentialsFile).exists()).toBe(false);
  });
});

describe("the chunkservers' directories", () => {
  test("are numbered below the data directory, and found again when that was moved", async () => {
    expect(await settleLayout(data, config())).toEqual(
      [1, 2, 3].map((number) => data.at(`chunkd-${number}`)),
    );
    const moved = join(scratch, "moved");
    expect(Bun.spawnSync(["mv", data.path, moved]).exitCode).toBe(0);
    expect(await settleLayout(new DataDirectory(moved), config())).toContain(join(moved, "chunkd-3"));
  });

  test("may get more, never fewer", async () => {
    await settleLayout(data, config({ chunkservers: 3 }));
    expect(await settleLayout(data, config({ chunkservers: 4 }))).toHaveLength(4);
    await expect(settleLayout(data, config({ chunkservers: 3 }))).rejects.toThrow(
      /was made with 4 chunkservers; .*chunkd-4 would be left out\. Start it with --chunkservers 4/,
    );
  });

  test("are the disks where disks are given, in the order of the first start", async () => {
    const disks = ["a", "b", "c"].map((name) => join(scratch, name));
    expect(await settleLayout(data, config({ disk: disks }))).toEqual(disks);
    expect(await settleLayout(data, config({ disk: disks.toReversed() }))).toEqual(disks);
    await expect(settleLayout(data, config({ disk: disks.slice(1) }))).rejects.toThrow(/would be left out/);
  });

  test("are refused when one disk is given twice", async () => {
    const disk = join(scratch, "a");
    await expect(settleLayout(data, config({ disk: [disk, `${disk}/../a`] }))).rejects.toThrow(/given twice/);
  });

  test("of a later format are left alone", async () => {
    writeFileSync(data.layoutFile, '{"format": 2, "chunkservers": []}');
    await expect(settleLayout(data, config())).rejects.toThrow(
      /has format 2; this version of skerry knows format 1/,
    );
    writeFileSync(data.layoutFile, "garbage");
    await expect(settleLayout(data, config())).rejects.toThrow(/a damaged layout\.json/);
  });
});
