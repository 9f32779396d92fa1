/** Takes over what other replicas granted, every second. */
import type { Log } from "../admission/ports.ts";
import { type PeriodicJob, startPeriodicJob } from "../periodic-job.ts";
import type { GrantBook } from "./grants.ts";

const INTERVAL_MS = 1000;

/** Begins. While the notes cannot be read, what was known stays in force. */
export function startGrantRefresh(
  grants: Pick<GrantBook, "refresh">,
  log: Log,
  intervalMs: number = INTERVAL_MS,
): PeriodicJob {
  let hasFailed = false;
  const refresh = async () => {
    try {
      await grants.refresh(Date.now());
      hasFailed = false;
    } catch (error) {
      // Once for each outage, not once a second.
      if (!hasFailed) log.error({ err: error }, "grants not read: the known ones stay in force");
      hasFailed = true;
    }
  };
  return startPeriodicJob(refresh, intervalMs);
}
