/** Documents that have something at the pointers that the filter looks at. */
import { CAPTURE } from "../../limitador-bridge/usage/capture-pointers.ts";
import { once, pick, type Random } from "./random.ts";

type Json = Record<string, unknown>;

const TEXTS = ["", "a", "Hello", "é", "中😀", '"', "\\", "\n\u0001", "\ud83d", "x".repeat(300)];
const COUNTS = [0, 1, 7, 1234, 2 ** 31, 2 ** 53 - 1, 1e21, -1, 0.5];
const USAGE_KEYS = [
  "prompt_tokens",
  "completion_tokens",
  "total_tokens",
  "input_tokens",
  "output_tokens",
  "cache_read_input_tokens",
  "promptTokenCount",
  "candidatesTokenCount",
  "inputTokens",
];
const MODELS = ["gpt-4o-mini", "claude-sonnet-4-5", "gemini-2.5-pro", "", "mödel\n"];

export function scalar(random: Random): unknown {
  const kind = random(6);
  if (kind < 3) return pick(random, TEXTS);
  if (kind === 3) return pick(random, COUNTS);
  return pick(random, [true, false, null]);
}

export function usageObject(random: Random): unknown {
  if (once(random, 8)) return pick(random, [null, [], 5, "usage", {}]);
  const usage: Json = {};
  for (let i = random(5); i >= 0; i--) usage[pick(random, USAGE_KEYS)] = pick(random, COUNTS);
  if (once(random, 5)) usage.prompt_tokens_details = { cached_tokens: 3, deep: [[{}]] };
  return usage;
}

/** Puts a value where a pointer says, through objects and arrays made on the way. */
function put(random: Random, document: Json, pointer: string, value: unknown): void {
  const keys = pointer.split("/").slice(1);
  let at: Json | unknown[] = document;
  keys.forEach((key, depth) => {
    const place: string | number = key === "*" ? random(3) : key;
    const holder = at as Record<string | number, unknown>;
    if (Array.isArray(at)) while (at.length < Number(place)) at.push(scalar(random));
    if (depth === keys.length - 1) {
      holder[place] = value;
      return;
    }
    const next = holder[place];
    const wantsArray = keys[depth + 1] === "*";
    const isFit = typeof next === "object" && next !== null && Array.isArray(next) === wantsArray;
    if (!isFit || !Object.hasOwn(holder, place)) holder[place] = wantsArray ? [] : {};
    at = holder[place] as Json | unknown[];
  });
}

/** A document of a response, with a few of the values that are captured. */
export function responseDocument(random: Random, withBase64 = true): Json {
  const { usage, facts, text, base64 } = CAPTURE.response;
  const document: Json = {};
  if (once(random, 3)) document.choices = [];
  if (once(random, 4)) document[pick(random, TEXTS)] = [{ [pick(random, TEXTS)]: scalar(random) }];
  for (let i = random(4); i > 0; i--) put(random, document, pick(random, facts), scalar(random));
  for (let i = random(3); i > 0; i--) put(random, document, pick(random, text), scalar(random));
  for (let i = random(3); i > 0; i--) {
    const pointer = once(random, 2) ? "/usage" : pick(random, usage);
    put(random, document, pointer, usageObject(random));
  }
  if (withBase64 && once(random, 6)) {
    const inner = JSON.stringify(responseDocument(random, false));
    put(random, document, pick(random, base64), Buffer.from(inner).toString("base64"));
  }
  return document;
}

/** A request body with some of the values that are read; mostly one that is metered. */
export function requestDocument(random: Random): Json {
  const { model, stream, maxOutputTokens, choices, prompt } = CAPTURE.request;
  const document: Json = {};
  const fields: (() => void)[] = [
    () => put(random, document, pick(random, model), pick(random, MODELS)),
    () => put(random, document, pick(random, prompt), [{ role: "user", content: "Hi" }]),
    () => put(random, document, pick(random, stream), !once(random, 4)),
    () => put(random, document, pick(random, maxOutputTokens), random(5000)),
    () => put(random, document, pick(random, choices), random(5)),
    () => put(random, document, pick(random, ["/user", "/metadata/a"]), scalar(random)),
    () => {
      document.stream_options = pick(random, [
        null,
        {},
        { include_usage: true },
        { include_usage: false },
        { include_usage: null, include_obfuscation: true },
        "none",
      ]);
    },
    () => {
      document[pick(random, TEXTS)] = scalar(random);
    },
  ];
  for (const field of fields) if (!once(random, 3)) field();
  return once(random, 3)
    ? document
    : Object.fromEntries(shuffled(random, Object.entries(document)));
}

function shuffled<T>(random: Random, list: T[]): T[] {
  const rest = [...list];
  return list.map(() => rest.splice(random(rest.length), 1)[0] as T);
}

/** JSON text of a document, tight or with white space between all tokens. */
export function written(random: Random, document: unknown): string {
  return once(random, 3) ? JSON.stringify(document, null, random(4)) : JSON.stringify(document);
}
