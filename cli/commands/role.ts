import { assert } from "../../std/assert.ts";
import { describeSettings, type Setting } from "../../std/config.ts";
import { type Command, type Environment, EXIT } from "../command.ts";
import { VERSION } from "../version.ts";

/** What a part's main.ts exports. */
interface RoleModule {
  main(argv: string[], environment: Environment): Promise<void>;
  SETTINGS: Record<string, Setting<unknown>>;
}

const MODULES: Record<string, { about: string; load(): Promise<RoleModule> }> = {
  masterd: {
    about: "Runs the storage master: the namespace, the chunks, and who may write them.",
    load: () => import("../../masterd/main.ts"),
  },
  chunkd: {
    about: "Runs a chunkserver: the chunk files of one disk.",
    load: () => import("../../chunkd/main.ts"),
  },
  apis: {
    about: "Runs the APIs without a gateway, for gateways that are given --apis and --s3-apis.",
    load: () => import("../../apis/main.ts"),
  },
  edge: {
    about:
      "Runs the gateway: HTTPS, the S3 port, and the APIs in its own process unless --apis names others.",
    load: () => import("../../edge/main.ts"),
  },
  postgres: {
    about: "Runs the embedded PostgreSQL that keeps users and keys.",
    load: () => import("../../std/db/main.ts"),
  },
};

/** The command that runs one role in this process. */
export async function roleCommand(name: string): Promise<Command> {
  const entry = MODULES[name];
  assert(entry !== undefined, `the table of commands names a role that is none: ${name}`);
  const role = await entry.load();
  return {
    help: () => `Usage: skerry ${name} [--flags]

${entry.about} When it is ready it prints one JSON line with its addresses; it logs to standard error.
SIGTERM stops it. Secrets are better given as variables or files, since flags show in the list of processes.

${describeSettings(role.SETTINGS)}`,
    async run(argv, environment) {
      await role.main(argv, { ...environment, SKERRY_VERSION: VERSION });
      return EXIT.done;
    },
  };
}
