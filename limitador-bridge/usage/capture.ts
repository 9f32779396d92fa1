/** What the filter captured of one exchange, in the form in which it is interpreted. */
import type { SettlementRecord } from "../contract/filter.ts";
import { ERROR_FACTS, FINISH_FACTS } from "./capture-pointers.ts";
import { isObject, type RawObject } from "./figures.ts";
import { textBytes } from "./text-bytes.ts";

export interface CapturedUsage {
  pointer: string;
  value: RawObject;
}

export interface Capture {
  record: SettlementRecord;
  api: string;
  /** Usage objects in the order seen. */
  usage: CapturedUsage[];
  fact(pointer: string): unknown;
  /** The first of the facts that is a string with something in it. */
  textFact(pointers: readonly string[]): string | null;
  /** The answer came, or was to come, in pieces. */
  streamed: boolean;
  /** Something says that the answer came to its end: an end marker or a finish reason. */
  finished: boolean;
  /** The body holds an error. */
  failed: boolean;
  /** Bytes of output text, each text once. */
  textBytes: number;
}

/** Where the filter does not say where it found a usage object. */
const USUAL_POINTER = "/usage";

/** Takes a record apart. Never throws for what a filter can send. */
export function readCapture(record: SettlementRecord): Capture {
  const facts = record.facts ?? {};
  const fact = (pointer: string) => (Object.hasOwn(facts, pointer) ? facts[pointer] : undefined);
  const isThere = (pointer: string) => (fact(pointer) ?? "") !== "";
  const usage = record.usage.flatMap((value, index) =>
    isObject(value) ? [{ pointer: record.usagePointers?.[index] ?? USUAL_POINTER, value }] : [],
  );
  const { framing, llm } = record;
  return {
    record,
    api: llm.api ?? "",
    usage,
    fact,
    textFact: (pointers) =>
      (pointers.map(fact).find((value) => typeof value === "string" && value !== "") as
        | string
        | undefined) ?? null,
    streamed: framing === "sse" || framing === "eventstream" || llm.stream,
    finished: record.done === true || FINISH_FACTS.some(isThere),
    failed: ERROR_FACTS.some(isThere),
    textBytes: record.text === undefined ? record.outputBytes : textBytes(record.text),
  };
}
