/**
 * Resolves with the reason once this process should stop: SIGTERM, SIGINT, or, under a supervisor
 * (SKERRY_SUPERVISED=1), the end of standard input, which is the supervisor's.
 */
export function stopRequested(environment: Record<string, string | undefined>): Promise<string> {
  return new Promise((resolve) => {
    process.once("SIGTERM", () => resolve("SIGTERM"));
    process.once("SIGINT", () => resolve("SIGINT"));
    if (environment.SKERRY_SUPERVISED !== "1") return;
    const gone = (): void => resolve("the supervisor is gone");
    process.stdin.once("end", gone).once("close", gone).once("error", gone);
    process.stdin.resume();
  });
}
