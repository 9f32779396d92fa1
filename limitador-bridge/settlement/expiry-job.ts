/** Ends holds that were never settled, once a second. */
import type { Log } from "../admission/ports.ts";
import type { Store } from "../ledger/store/store.ts";
import type { Metrics } from "../metrics.ts";

const INTERVAL_MS = 1000;

export interface ExpiryJob {
  /** Begins no further run; resolves when the one under way has ended. */
  stop(): Promise<void>;
}

/** Starts the job. A run that takes longer than the interval is not joined by a second one. */
export function startExpiryJob(
  store: Pick<Store, "expire">,
  metrics: Metrics,
  log: Log,
  intervalMs: number = INTERVAL_MS,
): ExpiryJob {
  let running: Promise<void> | null = null;
  let hasFailed = false;
  const run = async () => {
    try {
      for (const id of await store.expire()) {
        metrics.holdsExpired.inc();
        log.warn({ id }, "hold expired unsettled: input estimate charged");
      }
      hasFailed = false;
    } catch (error) {
      metrics.storeErrors.inc();
      // Once for each outage, not once a second.
      if (!hasFailed) log.error({ err: error }, "store failed: holds not expired");
      hasFailed = true;
    }
    running = null;
  };
  const timer = setInterval(() => {
    running ??= run();
  }, intervalMs);
  timer.unref();
  return {
    async stop() {
      clearInterval(timer);
      await running;
    },
  };
}
