import { readFile } from "node:fs/promises";
import type { SignedIn } from "../../apis/auth/sessions/sessions.ts";
import { describeSettings, optionalText, parseConfig, text, UsageError } from "../../std/config.ts";
import { askPassword } from "../account/ask-terminal.ts";
import { CloudClient, cloudOrigin, loginOf, refusal } from "../account/cloud-client.ts";
import { loginPath, writeLogin } from "../account/login-file.ts";
import { type Command, CommandError, EXIT } from "../command.ts";

const SETTINGS = {
  url: text("the cloud's console", "URL", "https://skerry.localhost:8443"),
  user: text("the name to sign in with", "NAME", "admin"),
  ca: optionalText("certificate of the authority to trust, e.g. DATA/tls/ca.pem", "FILE"),
};

/** Signs in by password and keeps the session for the commands after it. */
export const login: Command = {
  help: () =>
    `Usage: skerry login [--url URL] [--user NAME] [--ca FILE]\n\n` +
    `Signs in to a cloud. The password is asked for on the terminal, or read from standard input. The session is kept\n` +
    `in ~/.config/skerry/login.json, which only you can read, until \`skerry logout\`.\n\n${describeSettings(SETTINGS)}`,
  async run(argv, environment, output) {
    const { config, words } = parseConfig(SETTINGS, argv, environment);
    if (words.length > 0) throw new UsageError(`"${words[0]}" is no flag of login`);
    const origin = cloudOrigin(config.url);
    const ca = config.ca === undefined ? undefined : await readCertificate(config.ca);
    const password = await askPassword(`Password of ${config.user} at ${origin}: `);
    const client = new CloudClient(origin, ca);
    const answer = await client.ask("POST", "/session", { body: { user: config.user, password } });
    if (answer.status === 202) {
      throw new CommandError(
        "this account asks for a passkey after the password, which only a browser can give: sign in there",
      );
    }
    if (answer.status !== 201) throw refusal(answer);
    const kept = loginOf(answer.body as SignedIn, origin, ca);
    await writeLogin(loginPath(environment), kept);
    output.out(`signed in to ${origin} as ${kept.user}\n`);
    return EXIT.done;
  },
};

async function readCertificate(path: string): Promise<string> {
  const pem = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw new CommandError(`cannot read --ca ${path}: ${error.code}`);
  });
  if (pem.includes("-----BEGIN CERTIFICATE-----")) return pem;
  throw new CommandError(`--ca ${path} holds no certificate in PEM form`);
}
