/** What happens to a request when the store cannot be asked. */
import type { AdmitAnswer } from "../contract/filter.ts";
import { StoreUnavailable } from "../ledger/store/resilient.ts";
import type { ReserveResult } from "../ledger/store/store.ts";
import { StoreError } from "../ledger/store/store-error.ts";
import type { AdmissionParts, Case } from "./case.ts";
import { denial } from "./denial.ts";

/** How long a client is asked to wait while the store is away. */
const STORE_RETRY_SECONDS = 5;

/** Each matched limit and budget says what happens then; one "deny" is enough. Null: none does. */
function denyingPolicy({ limits, plan }: Case): string | null {
  const limit = limits.find(
    ({ mode, failureMode }) => mode === "enforce" && failureMode === "deny",
  );
  if (limit !== undefined) return `Limit "${limit.limit}" of policy "${limit.policy}"`;
  return plan?.failureMode === "deny" ? `Budget "${plan.match.budget.policy}"` : null;
}

/** What the last known counters decide, where the policies let them; null: the policies decide. */
export function localDecision(
  parts: AdmissionParts,
  found: Case,
  error: unknown,
): ReserveResult | null {
  if (!(error instanceof StoreUnavailable) || denyingPolicy(found) !== null) return null;
  parts.metrics.storeErrors.inc();
  const verdict = error.shadow.admitted ? "allow" : "deny";
  parts.metrics.ledger.decisionsLocal.inc({ verdict });
  const untold = parts.throttle("decided by the last known counters");
  if (untold !== null) {
    const fields = { id: found.request.id, err: error, untold };
    parts.log.error(fields, "store failed: decided by the last known counters");
  }
  return error.shadow;
}

/** The refusal where policies deny then; null: the request runs with nothing reserved. */
export function withoutStore(parts: AdmissionParts, found: Case, error: Error): AdmitAnswer | null {
  const { id } = found.request;
  parts.metrics.storeErrors.inc();
  const isOverloaded = error instanceof StoreError && error.code === "overloaded";
  if (isOverloaded) parts.metrics.ledger.decisionsShed.inc();
  const denying = denyingPolicy(found);
  const isAllowed = denying === null && !isOverloaded;
  const effect = isAllowed ? "request admitted, nothing reserved" : "request refused";
  const untold = parts.throttle(`${error.name} ${effect}`);
  if (untold !== null) parts.log.error({ id, err: error, untold }, `store failed: ${effect}`);
  if (isAllowed) return null;
  // A decision without an answer may have held something.
  if (error instanceof StoreUnavailable) giveBack(parts, id);
  const what = denying ?? "The limits";
  const why = isOverloaded ? "too many requests wait for the store" : "the store is not available";
  return unavailable(parts, found, `${what} cannot be checked: ${why}.`);
}

function unavailable(parts: AdmissionParts, { request }: Case, message: string): AdmitAnswer {
  const { api, model } = request.llm;
  parts.metrics.countRequest(api, model, "deny", "store_unavailable");
  const headers = { "retry-after": String(STORE_RETRY_SECONDS) };
  return denial(parts.shapes, api, "store_unavailable", message, headers).answer;
}

function giveBack({ store, metrics, log }: AdmissionParts, id: string): void {
  store.release(id).catch((error: unknown) => {
    metrics.storeErrors.inc();
    log.error({ id, err: error }, "store failed: a refused request may be held until it expires");
  });
}
