const POLL_MS = 5;
const WAIT_MS_MAX = 30_000;

/** Resolves when `check` is true; rejects after 30 s. */
export async function until(check: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + WAIT_MS_MAX;
  while (!(await check())) {
    if (performance.now() > deadline) throw new Error(`not within ${WAIT_MS_MAX / 1000} s: ${check}`);
    await Bun.sleep(POLL_MS);
  }
}
