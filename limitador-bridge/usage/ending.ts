/** How an exchange ended, as far as the filter alone cannot tell. Pure. */
import type { Outcome, SettlementRecord } from "../contract/filter.ts";
import { hasFinished } from "./capture.ts";
import type { Usage } from "./normal-form.ts";

const FIRST_ERROR_STATUS = 400;

/**
 * The filter sees whether a body came to its end, not what it says. An error is the upstream's,
 * however whole it came. A stream can end in good order on the wire and still lack its last
 * events: without usage, end marker and finish reason it was cut off.
 */
export function outcomeOf(record: SettlementRecord, usage: Usage): Outcome {
  const { outcome, framing, status } = record;
  if (status >= FIRST_ERROR_STATUS && outcome !== "client_disconnect") return "upstream_error";
  if (outcome !== "ok" || usage.source !== "estimated") return outcome;
  if (framing !== "sse" && framing !== "eventstream") return outcome;
  return hasFinished(record) ? "ok" : "truncated";
}
