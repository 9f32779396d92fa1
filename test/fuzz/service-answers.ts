/** What the service may say to an admit call: as the contract has it, or anything else. */

import type { ServiceAnswer } from "./exchange.ts";
import { mutate } from "./mutate.ts";
import { nesting } from "./nesting.ts";
import { once, pick, type Random, randomBytes } from "./random.ts";

/** garbage: no answer, so the failure mode decides. either: the contract leaves it open. */
export type Verdict = "allow" | "deny" | "garbage" | "either";

/** Containers within each other that the filter surely reads in an answer. */
const SAFE_DEPTH = 60;

const TEXTS = ["", "a", "gpt-4o", 'quote " and ä', "中😀", "x".repeat(300)];

export function soundAnswer(random: Random): ServiceAnswer {
  return json(once(random, 4) ? denial(random) : allowance(random));
}

/** Anything: damaged answers, other values, no answer at all. */
export function wildAnswer(random: Random): ServiceAnswer {
  const kind = random(10);
  if (kind === 0) return { way: pick(random, ["fail", "refuse", "time out"] as const) };
  const sound = once(random, 3) ? denial(random) : allowance(random);
  const body = Buffer.from(JSON.stringify(sound));
  if (kind === 1) return { way: "answer", status: pick(random, [0, 204, 400, 500, 503]), body };
  if (kind === 2) return { way: "answer", status: 200, body: randomBytes(random, random(300)) };
  if (kind === 4) return json(withOddHeaders(random, sound));
  if (kind === 3) {
    const odd = pick(random, [null, [], 7, "allow", {}, { verdict: "maybe" }, { verdict: "deny" }]);
    return json(odd);
  }
  return { way: "answer", status: 200, body: mutate(random, body) };
}

function withOddHeaders(random: Random, answer: object): object {
  const odd = { "x-a": pick(random, ["1\r\nx-b: 2", "\u0000", "a\nb", 5, null]), "x b\r": "1" };
  const deny = { status: 403, body: "", headers: odd };
  return { ...answer, requestHeaders: odd, responseHeaders: odd, deny };
}

function json(value: unknown): ServiceAnswer {
  return { way: "answer", status: 200, body: Buffer.from(JSON.stringify(value)) };
}

function allowance(random: Random): object {
  return {
    verdict: "allow",
    reservation: pick(random, [null, "r-1", "ü"]),
    ...(once(random, 3) ? { model: pick(random, TEXTS) } : {}),
    ...(once(random, 3) ? { maxOutputTokens: random(100) } : {}),
    requestHeaders: once(random, 2) ? {} : { "x-a": pick(random, TEXTS) },
    responseHeaders: once(random, 2) ? {} : { "x-ratelimit-limit": "5", "x-b": "" },
  };
}

function denial(random: Random): object {
  const headers = once(random, 2) ? {} : { "retry-after": "1", "content-type": "text/x" };
  return {
    verdict: "deny",
    reservation: null,
    requestHeaders: {},
    responseHeaders: {},
    deny: { status: pick(random, [429, 403, 599]), headers, body: pick(random, TEXTS) },
  };
}

/** The object that the service answered with; null where it is none. */
export function answerObject(answer: ServiceAnswer): Record<string, unknown> | null {
  if (answer.way !== "answer" || answer.status !== 200) return null;
  try {
    const value: unknown = JSON.parse(answer.body.toString("utf8"));
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

export function verdictOf(answer: ServiceAnswer): Verdict {
  const object = answerObject(answer);
  if (object === null) return "garbage";
  if (nesting((answer as { body: Buffer }).body) > SAFE_DEPTH) return "either";
  if (object.verdict === "allow") return "allow";
  if (object.verdict !== "deny") return "garbage";
  const deny = object.deny as { status?: unknown; headers?: unknown; body?: unknown } | undefined;
  if (deny === undefined) return "garbage";
  const { status } = deny ?? {};
  const isSound = Number.isInteger(status) && Number(status) >= 400 && Number(status) <= 599;
  return isSound && typeof deny.body === "string" ? "deny" : "either";
}
