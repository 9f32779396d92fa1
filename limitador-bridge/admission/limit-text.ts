/** Limits in words, and in the X-RateLimit headers. Pure. */
import type { CounterView, Unit } from "../ledger/store/store.ts";
import type { Window } from "../ledger/window.ts";
import type { MatchedLimit } from "../policy/policy-set.ts";

const NANO_USD_PER_MICRO_USD = 1000;
const MICRO_USD_PER_USD = 1_000_000;
const UNIT_NAMES: Record<Unit, string> = {
  total: "tokens",
  input: "input tokens",
  output: "output tokens",
  requests: "requests",
  usd: "USD",
};
const LENGTHS: [string, number][] = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1_000],
];

/** A counter together with the limit it counts for. */
export interface LimitState {
  matched: MatchedLimit;
  view: CounterView;
}

/**
 * Pairs the store's counters with the limits that were matched, by key. A client can put a lone
 * surrogate into a counter value, and stores keep UTF-8.
 */
export function limitStates(matched: MatchedLimit[], views: readonly CounterView[]): LimitState[] {
  const byKey = new Map<string, MatchedLimit>();
  for (const limit of matched) byKey.set(limit.key.toWellFormed(), limit);
  const states: LimitState[] = [];
  for (const view of views) {
    const limit = byKey.get(view.key.toWellFormed());
    if (limit !== undefined) states.push({ matched: limit, view });
  }
  return states;
}

/** Whether the limit refuses; what is in shadow mode is told to no client. */
export function isEnforced({ matched }: LimitState): boolean {
  return matched.mode === "enforce";
}

/**
 * The state with the least left, which refuses first; between units, whose amounts do not compare,
 * the one with the smallest share left. Undefined where there is none.
 */
function tightest(states: LimitState[]): LimitState | undefined {
  const ofUnits = new Map<Unit, LimitState>();
  for (const state of states) {
    const least = ofUnits.get(state.view.unit);
    if (least === undefined || state.view.remaining < least.view.remaining) {
      ofUnits.set(state.view.unit, state);
    }
  }
  return [...ofUnits.values()].reduce<LimitState | undefined>(
    (best, state) => (best === undefined || share(state) < share(best) ? state : best),
    undefined,
  );
}

function share({ view }: LimitState): number {
  return view.limit === 0 ? 0 : view.remaining / view.limit;
}

/** Seconds until a time, rounded up, at least 0. */
export function secondsUntil(timeMs: number, nowMs: number): number {
  return Math.max(0, Math.ceil((timeMs - nowMs) / 1000));
}

/**
 * X-RateLimit-Limit, -Remaining and -Reset of the tightest limit, and the same with -Tokens of the
 * tightest one that counts tokens. Reset is in seconds; amounts of money are in USD.
 */
export function rateLimitHeaders(states: LimitState[], nowMs: number): Record<string, string> {
  const first = tightest(states);
  if (first === undefined) return {};
  const headers = headersOf(first, nowMs);
  const tokens = tightest(states.filter(({ view }) => isTokens(view.unit)));
  if (tokens === undefined) return headers;
  const told = tokens === first ? headers : headersOf(tokens, nowMs);
  headers["x-ratelimit-limit-tokens"] = told["x-ratelimit-limit"];
  headers["x-ratelimit-remaining-tokens"] = told["x-ratelimit-remaining"];
  headers["x-ratelimit-reset-tokens"] = told["x-ratelimit-reset"];
  return headers;
}

interface LimitHeaders extends Record<string, string> {
  "x-ratelimit-limit": string;
  "x-ratelimit-remaining": string;
  "x-ratelimit-reset": string;
}

function headersOf({ view }: LimitState, nowMs: number): LimitHeaders {
  return {
    "x-ratelimit-limit": amountText(view.unit, view.limit),
    "x-ratelimit-remaining": amountText(view.unit, view.remaining),
    "x-ratelimit-reset": String(secondsUntil(view.resetsAtMs, nowMs)),
  };
}

function isTokens(unit: Unit): boolean {
  return unit === "total" || unit === "input" || unit === "output";
}

/** An amount as people read it: counts as they are, nano-USD as USD to the micro-dollar. */
export function amountText(unit: Unit, amount: number): string {
  if (unit !== "usd") return String(amount);
  const microUsd = Math.floor(amount / NANO_USD_PER_MICRO_USD);
  const whole = Math.floor(microUsd / MICRO_USD_PER_USD);
  const fraction = String(microUsd % MICRO_USD_PER_USD)
    .padStart(6, "0")
    .replace(/0+$/, "");
  return fraction === "" ? String(whole) : `${whole}.${fraction}`;
}

/** "24h", "calendar month (Europe/Berlin)". */
export function windowText(window: Window): string {
  if (window.kind === "calendar") return `calendar ${window.period} (${window.timeZone})`;
  const [unit, unitMs] = LENGTHS.find(([, ms]) => window.lengthMs % ms === 0) ?? ["ms", 1];
  // 24h is what people write for it; a day by the calendar is something else.
  const text = window.lengthMs === 86_400_000 ? "24h" : `${window.lengthMs / unitMs}${unit}`;
  return window.kind === "sliding" ? `sliding ${text}` : text;
}

/** Which limit is reached, how much of it is used, and when it resets. */
export function deniedMessage({ matched, view }: LimitState, reserve: number): string {
  const amount = (value: number) => amountText(view.unit, value);
  const held = view.held > 0 ? `, ${amount(view.held)} held by requests in flight` : "";
  const needs = reserve > 0 ? `; this request needs ${amount(reserve)}` : "";
  return (
    `Limit "${matched.limit}" of policy "${matched.policy}" reached: ` +
    `${amount(view.used)} of ${amount(view.limit)} ${UNIT_NAMES[view.unit]} used ` +
    `in ${windowText(matched.window)}${held}${needs}. ` +
    `Resets at ${new Date(view.resetsAtMs).toISOString()}.`
  );
}
