import { describeSettings, flag, parseConfig, UsageError } from "../../std/config.ts";
import { CloudClient, freshLogin, refusal, SessionOver } from "../account/cloud-client.ts";
import { loginPath } from "../account/login-file.ts";
import { type Command, EXIT } from "../command.ts";

const SETTINGS = { json: flag("answer with JSON") };

interface Me {
  user: { userId: string; name: string; admin: boolean };
}

/** Says who `skerry login` signed in, as the cloud sees it now. */
export const whoami: Command = {
  help: () =>
    `Usage: skerry whoami [--json]\n\nSays who is signed in, and where.\n\n${describeSettings(SETTINGS)}`,
  async run(argv, environment, output) {
    const { config, words } = parseConfig(SETTINGS, argv, environment);
    if (words.length > 0) throw new UsageError(`"${words[0]}" is no flag of whoami`);
    const login = await freshLogin(loginPath(environment), Date.now());
    const client = new CloudClient(login.url, login.ca);
    const answer = await client.ask("GET", "/session", { token: login.accessToken });
    if (answer.status === 401) throw new SessionOver();
    if (answer.status !== 200) throw refusal(answer);
    const { user } = answer.body as Me;
    if (config.json) output.out(`${JSON.stringify({ url: login.url, ...user })}\n`);
    else output.out(`${user.name}${user.admin ? " (admin)" : ""} at ${login.url}\n`);
    return EXIT.done;
  },
};
