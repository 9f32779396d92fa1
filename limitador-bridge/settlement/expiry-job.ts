/** Ends holds that were never settled, once a second. */
import type { Log } from "../admission/ports.ts";
import { isLeaseId } from "../lease/lease-id.ts";
import type { Store } from "../ledger/store/store.ts";
import type { Metrics } from "../metrics.ts";
import { type PeriodicJob, startPeriodicJob } from "../periodic-job.ts";
import { inSlices } from "../turns.ts";

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
  const tell = (id: string) => {
    if (isLeaseId(id)) {
      metrics.leasesExpired.inc();
      log.warn({ id }, "lease expired with parts unsettled: they are given back");
      return;
    }
    metrics.holdsExpired.inc();
    log.warn({ id }, "hold expired unsettled: input estimate charged");
  };
  let hasFailed = false;
  const expire = async () => {
    try {
      for await (const ids of inSlices(await store.expire(), SLICE)) ids.forEach(tell);
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
