/** How an exchange ended, as far as the filter alone cannot tell. Pure. */
import type { Outcome, SettlementRecord } from "../contract/filter.ts";
import { FINISH_FACTS } from "./capture-pointers.ts";
import type { Usage } from "./normal-form.ts";

/**
 * The filter sees whether a body came to its end; a stream can end in good order on the wire and
 * still lack its last events. Without usage, end marker and finish reason it was cut off.
 */
export function outcomeOf(record: SettlementRecord, usage: Usage): Outcome {
  const { outcome, framing, done, facts } = record;
  if (outcome !== "ok" || usage.source !== "estimated") return outcome;
  if (framing !== "sse" && framing !== "eventstream") return outcome;
  const finished = done === true || FINISH_FACTS.some((pointer) => facts?.[pointer] !== undefined);
  return finished ? "ok" : "truncated";
}
