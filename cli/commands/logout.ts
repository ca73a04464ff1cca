import { UsageError } from "../../std/config.ts";
import { CloudClient, freshLogin, refusal, SessionOver } from "../account/cloud-client.ts";
import { forgetLogin, loginPath, readLogin } from "../account/login-file.ts";
import { type Command, CommandError, EXIT } from "../command.ts";

/** Ends the session that `skerry login` began, here and in the cloud. */
export const logout: Command = {
  help: () => "Usage: skerry logout\n\nEnds the session that `skerry login` began, and forgets it.",
  async run(argv, environment, output) {
    if (argv.length > 0) throw new UsageError(`"${argv[0]}" is no flag of logout`);
    const path = loginPath(environment);
    const { url } = await readLogin(path);
    try {
      await endSession(path);
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      throw new CommandError(
        `${error.message}\nThe session was not ended; to forget it here, remove ${path}`,
      );
    }
    await forgetLogin(path);
    output.out(`signed out of ${url}\n`);
    return EXIT.done;
  },
};

/** A session that is over already is as good as ended. */
async function endSession(path: string): Promise<void> {
  const login = await freshLogin(path, Date.now()).catch((error) => {
    if (error instanceof SessionOver) return undefined;
    throw error;
  });
  if (!login) return;
  const answer = await new CloudClient(login.url, login.ca).ask("DELETE", "/session", {
    token: login.accessToken,
  });
  if (answer.status !== 204 && answer.status !== 401) throw refusal(answer);
}
