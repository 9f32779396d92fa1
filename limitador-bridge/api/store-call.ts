/** Calls of the store on behalf of a reader. */
import type { Log } from "../admission/ports.ts";
import { ApiError } from "../errors.ts";
import { StoreError } from "../ledger/store/store-error.ts";
import type { Metrics } from "../metrics.ts";

/**
 * Runs a call of the store.
 * @throws ApiError invalid_request where the store refuses the input (a cursor that is none),
 * store_unavailable for anything else.
 */
export async function callStore<T>(
  { metrics, log }: { metrics: Metrics; log: Log },
  call: () => Promise<T>,
): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof StoreError && error.code === "invalid_input") {
      throw new ApiError("invalid_request", error.message, { cause: error });
    }
    metrics.storeErrors.inc();
    log.error({ err: error }, "store failed");
    throw new ApiError("store_unavailable", "the store is not available", { cause: error });
  }
}
