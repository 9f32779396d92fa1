/** What must hold of a settlement. */
import { isDeepStrictEqual } from "node:util";
import type { SettlementRecord } from "../../limitador-bridge/contract/filter.ts";
import { referenceCapture } from "../corpus/reference-capture.ts";
import type { Exchange, Seen } from "./exchange.ts";

const KEPT_PER_POINTER = 4;
/** Of a pointer with a `*` in it. */
const KEPT_OF_MANY = 255;

function assert(holds: boolean, message: string): asserts holds {
  if (!holds) throw new Error(message);
}

/** The one record of an exchange that was asked about or let go. */
export function checkSettlement(
  exchange: Exchange,
  seen: Seen,
  wasForwarded: boolean,
): SettlementRecord {
  const { records, admit, sent } = seen;
  const [record] = records;
  assert(record !== undefined && records.length === 1, `${records.length} settlements, not 1`);
  if (admit !== null) {
    assert(record.id === admit.id, "the settlement has another id than the admit call");
    assert(isDeepStrictEqual(record.llm, admit.llm), "the settlement tells another request");
    assert(isDeepStrictEqual(record.attributes, admit.attributes), "other attributes are settled");
  }
  assert(record.forwarded === wasForwarded, `forwarded is ${record.forwarded}`);
  checkCounts(record);
  if (!wasForwarded || exchange.ending === "no answer") return record;
  assert(
    (record.responseBytes ?? 0) === sent.length,
    `responseBytes ${record.responseBytes}, not ${sent.length}`,
  );
  assert(record.outcome === outcomeOf(exchange, seen, record), `outcome ${record.outcome}`);
  return record;
}

function checkCounts(record: SettlementRecord): void {
  const { usage, usagePointers = [], text = {}, outputBytes } = record;
  assert(usage.length === usagePointers.length, "usage and its pointers differ in number");
  for (const pointer of usagePointers) {
    const count = usagePointers.filter((each) => each === pointer).length;
    const most = pointer.includes("*") ? KEPT_OF_MANY : KEPT_PER_POINTER;
    assert(count <= most, `${count} usage objects of ${pointer}`);
  }
  const sum = Object.values(text).reduce((total, bytes) => total + bytes, 0);
  assert(outputBytes === sum, `outputBytes ${outputBytes}, but texts of ${sum} bytes`);
}

function outcomeOf(exchange: Exchange, seen: Seen, record: SettlementRecord): string {
  if (exchange.ending === "client cuts") return "client_disconnect";
  if (!seen.isComplete) return "upstream_error";
  // Whether broken bytes were cut short or never whole cannot be told.
  const isOpen = !exchange.response.isSound && record.outcome === "truncated";
  return isOpen ? "truncated" : "ok";
}

/** Of a response with nothing wrong: the same as a plain parser of the whole body finds. */
export function checkCapture(exchange: Exchange, record: SettlementRecord): void {
  const { response, method, path } = exchange;
  if (!response.isSound || !["complete", "trailers"].includes(exchange.ending)) return;
  const expected = referenceCapture({
    request: { method, path, body: null },
    response: { ...response, body: null, body_base64: response.body.toString("base64") },
  });
  for (const key of ["framing", "facts", "text", "done"] as const) {
    const got = record[key];
    const want = expected[key];
    if (isDeepStrictEqual(got, want)) continue;
    throw new Error(`${key}: ${JSON.stringify(got)}, not ${JSON.stringify(want)}`);
  }
  const got = usageTexts(record);
  const want = usageTexts(expected);
  assert(isDeepStrictEqual(got, want), `usage: ${got.join()}, not ${want.join()}`);
}

/** Within a document, usage objects stand in any order. */
function usageTexts({ usage, usagePointers = [] }: SettlementRecord): string[] {
  return usage.map((value, i) => `${usagePointers[i]} ${JSON.stringify(value)}`).sort();
}
