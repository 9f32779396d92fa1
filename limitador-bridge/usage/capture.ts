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
  /** A usage object was too long to be kept. */
  usageLost: boolean;
  /** Bytes of output text, each text once. */
  textBytes: number;
}

/** Where the filter does not say where it found a usage object. */
const USUAL_POINTER = "/usage";

const FINISHES: ReadonlySet<string> = new Set(FINISH_FACTS);
const ERRORS: ReadonlySet<string> = new Set(ERROR_FACTS);
/** DashScope's finish reason in every event but the last: a text. */
const NOT_FINISHED = "null";
/** What the filter sends in the place of a usage object that is too long to be kept. */
const TOO_LONG = true;

/** The request as the provider got it. */
export function sentRequest({ llm, modelSent }: SettlementRecord): SettlementRecord["llm"] {
  return modelSent == null ? llm : { ...llm, model: modelSent };
}

/** Takes a record apart. Never throws for what a filter can send. */
export function readCapture(record: SettlementRecord): Capture {
  const facts = record.facts ?? {};
  const fact = (pointer: string) => (Object.hasOwn(facts, pointer) ? facts[pointer] : undefined);
  // A record has few of the many facts that there can be.
  const told = Object.keys(facts).filter((pointer) => (facts[pointer] ?? "") !== "");
  const usage: CapturedUsage[] = [];
  record.usage.forEach((value, index) => {
    if (!isObject(value)) return;
    usage.push({ pointer: record.usagePointers?.[index] ?? USUAL_POINTER, value });
  });
  const { framing, llm } = record;
  return {
    record,
    api: llm.api ?? "",
    usage,
    fact,
    textFact(pointers) {
      for (const pointer of pointers) {
        const value = fact(pointer);
        if (typeof value === "string" && value !== "") return value;
      }
      return null;
    },
    streamed: framing === "sse" || framing === "eventstream" || llm.stream,
    finished: hasFinished(record),
    failed: told.some((pointer) => ERRORS.has(pointer)) || isErrorEvent(record),
    usageLost: record.usage.includes(TOO_LONG),
    textBytes: outputTextBytes(record),
  };
}

/** Whether an end marker or a finish reason says that an answer came to its end. */
export function hasFinished({ done, unfinished, facts = {} }: SettlementRecord): boolean {
  if (done === true) return true;
  if (unfinished === true) return false;
  return Object.keys(facts).some((pointer) => {
    const value = facts[pointer] ?? "";
    return FINISHES.has(pointer) && value !== "" && value !== NOT_FINISHED;
  });
}

/**
 * Errors with no member of that name: OpenAI's Responses end a stream with
 * `{"type":"error","code":…,"message":…}`, and an exception of an AWS event stream is
 * `{"message":…}`, where no other message of one is a scalar.
 */
function isErrorEvent({ facts = {}, framing }: SettlementRecord): boolean {
  if (facts["/type"] === "error") return true;
  return framing === "eventstream" && (facts["/message"] ?? "") !== "";
}

/**
 * Every event of a DashScope stream has the usage so far, and all text so far unless the client
 * asked for increments: its texts do not add up.
 */
export function isCumulative({ llm, framing }: SettlementRecord): boolean {
  return framing === "sse" && llm.api === "dashscope.generation";
}

/** Bytes of output text that were captured, each text once. */
export function outputTextBytes({ text, outputBytes }: SettlementRecord): number {
  return text === undefined ? outputBytes : textBytes(text);
}
