/** Ends holds that were never settled, once a second. */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Log } from "../admission/ports.ts";
import { isLeaseId } from "../lease/lease-id.ts";
import type { Store } from "../ledger/store/store.ts";
import type { Metrics } from "../metrics.ts";
import { type PeriodicJob, startPeriodicJob } from "../periodic-job.ts";

const INTERVAL_MS = 1000;
/** After an outage thousands may be over at once: others must not wait until all are told. */
const SLICE = 500;

/** Starts the job. Nothing is charged for what is left of a lease: nobody knows of a request. */
export function startExpiryJob(
  store: Pick<Store, "expire">,
  metrics: Metrics,
  log: Log,
  intervalMs: number = INTERVAL_MS,
): PeriodicJob {
  let hasFailed = false;
  const expire = async () => {
    try {
      for (const [index, id] of (await store.expire()).entries()) {
        if (index % SLICE === SLICE - 1) await nextTurn();
        if (isLeaseId(id)) {
          metrics.leasesExpired.inc();
          log.warn({ id }, "lease expired with parts unsettled: they are given back");
          continue;
        }
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
  };
  return startPeriodicJob(expire, intervalMs);
}
