/**
 * One counter: what is used and held in one window, and what claims, settlements and expiry do to
 * it. Pure: every function takes a state and returns another.
 *
 * A hold belongs to the window in which it was admitted, and so does its settlement. When that
 * window is over, the settlement changes no counter: its amount would have left the count with
 * the window anyhow. Inside the window `used` may go over the limit; that debt is never forgiven.
 */
import { type CounterView, type LimitClaim, UNITS, type Unit } from "./store/store.ts";
import { invalidInput } from "./store/store-error.ts";
import {
  carryPercent,
  parseWindowTag,
  percentOf,
  slidingShare,
  slidingTimeLeft,
  type Window,
  windowAt,
  windowTag,
} from "./window.ts";

/** What names a counter and says how it counts. */
export type CounterSpec = Pick<LimitClaim, "key" | "unit" | "limit" | "window">;
/** What a claim asks of a counter. */
export type Terms = Pick<LimitClaim, "reserve" | "allowance" | "below" | "from">;

export interface CounterState {
  key: string;
  unit: Unit;
  window: Window;
  /** As the newest claim said it. */
  limit: number;
  startMs: number;
  endMs: number;
  used: number;
  held: number;
  /** Of the window before this one; 0 but for sliding windows and those that carry over. */
  previousUsed: number;
  previousHeld: number;
  /** Also of the window before; 0 but for windows that carry over. */
  previousStartMs: number;
  previousLimit: number;
}

/**
 * Names a counter: the claim's key, its unit and window. A policy edit that changes unit or window
 * under one key thus begins a new counter, and never reads tokens as money. Lone surrogates become
 * U+FFFD, as in every UTF-8 store: else a restart would lose the key.
 */
export function counterId(spec: Pick<CounterSpec, "key" | "unit" | "window">): string {
  return `${spec.key.toWellFormed()}\n${spec.unit} ${windowTag(spec.window)}`;
}

/**
 * Reads what counterId wrote.
 * @throws StoreError invalid_input for any other text.
 */
export function parseCounterId(id: string): Pick<CounterSpec, "key" | "unit" | "window"> {
  const line = id.lastIndexOf("\n");
  const space = id.indexOf(" ", line);
  const name = id.slice(line + 1, space);
  const unit = UNITS.find((known) => known === name);
  if (line < 0 || space < 0 || unit === undefined) throw invalidInput("not a counter id");
  return {
    key: id.slice(0, line),
    unit,
    window: parseWindowTag(id.slice(space + 1)),
  };
}

/** The counter in the window of `nowMs`: the stored one, rolled on, or a new one. */
export function counterAt(
  stored: CounterState | undefined,
  spec: CounterSpec,
  nowMs: number,
): CounterState {
  const { key, unit, window, limit } = spec;
  if (stored !== undefined && nowMs < stored.endMs) {
    const same = stored.limit === limit && carryPercent(stored.window) === carryPercent(window);
    return same ? stored : { ...stored, limit, window };
  }
  const { startMs, endMs } = windowAt(window, nowMs);
  const follows = stored?.endMs === startMs ? stored : undefined;
  const carries = carryPercent(window) > 0 && follows && carryPercent(follows.window) > 0;
  const previous = window.kind === "sliding" || carries ? follows : undefined;
  return {
    ...{ key, unit, window, limit, startMs, endMs },
    used: 0,
    held: 0,
    previousUsed: previous?.used ?? 0,
    previousHeld: previous?.held ?? 0,
    previousStartMs: carries ? follows.startMs : 0,
    previousLimit: carries ? follows.limit : 0,
  };
}

/** True when nothing in the counter can matter any more, also not to a late settlement. */
export function isOver(state: CounterState, nowMs: number): boolean {
  const { window, startMs, endMs } = state;
  if (nowMs < endMs) return false;
  if (window.kind === "sliding") return nowMs >= 2 * endMs - startMs;
  return carryPercent(window) === 0 || nowMs >= windowAt(window, endMs).endMs;
}

/** The limit in force: with what the last period has left (CarryOver in window.ts). */
function limitOf(state: CounterState): number {
  const percent = carryPercent(state.window);
  if (percent === 0) return state.limit;
  // What is still held may be used yet.
  const unused = state.previousLimit - sum(state.previousUsed, state.previousHeld);
  return sum(state.limit, percentOf(Math.max(0, unused), percent));
}

/**
 * The limit in force where a counter's policy may have changed since it last counted.
 * @param spec what the policy says now
 * @returns in the counter's unit, with what was carried over
 */
export function limitInForce(
  { limit, window }: Pick<CounterSpec, "limit" | "window">,
  { carriedOver = 0 }: CounterView,
): number {
  return carryPercent(window) === 0 ? limit : sum(limit, carriedOver);
}

/** What counts against the limit at `nowMs`; the state must be of that time (counterAt). */
function weighed(state: CounterState, nowMs: number): { used: number; held: number } {
  if (state.window.kind !== "sliding") return { used: state.used, held: state.held };
  const left = state.endMs - nowMs;
  const { lengthMs } = state.window;
  return {
    used: sum(state.used, slidingShare(state.previousUsed, left, lengthMs)),
    held: sum(state.held, slidingShare(state.previousHeld, left, lengthMs)),
  };
}

/**
 * True where used + held < limit, used + held + reserve ≤ limit + allowance and < below, and
 * used + held ≥ from.
 */
export function fits(state: CounterState, terms: Terms, nowMs: number): boolean {
  const { reserve, allowance = 0, below, from = 0 } = terms;
  const { used, held } = weighed(state, nowMs);
  const taken = sum(used, held);
  const room = limitOf(state) - taken;
  if (room <= 0 || reserve - allowance > room || taken < from) return false;
  return below === undefined || reserve < below - taken;
}

/**
 * Adds to used and held in the window that began at `startMs`. The same state comes back where
 * that window is out of view. Sums stay within 0 and 2^53 − 1.
 */
export function adjust(
  state: CounterState,
  startMs: number,
  change: { used: number; held: number },
): CounterState {
  // A fixed window that was lost and rebuilt begins before what was held in the meantime.
  const rebuilt = state.window.kind === "fixed" && state.startMs < startMs && startMs < state.endMs;
  if (startMs === state.startMs || rebuilt) {
    return { ...state, used: sum(state.used, change.used), held: sum(state.held, change.held) };
  }
  if (startMs === previousStart(state)) {
    return {
      ...state,
      previousUsed: sum(state.previousUsed, change.used),
      previousHeld: sum(state.previousHeld, change.held),
    };
  }
  return state;
}

/** When the window before began, where that one matters; −1 elsewhere. */
function previousStart({ window, startMs, previousStartMs }: CounterState): number {
  if (window.kind === "sliding") return startMs - window.lengthMs;
  return previousStartMs > 0 ? previousStartMs : -1;
}

/** The counter as callers see it; the state must be of `nowMs` (counterAt). */
export function viewOf(state: CounterState, nowMs: number): CounterView {
  const { used, held } = weighed(state, nowMs);
  const limit = limitOf(state);
  const carriedOver = limit - state.limit;
  return {
    key: state.key,
    unit: state.unit,
    window: state.window,
    limit,
    ...(carriedOver > 0 ? { carriedOver } : {}),
    used,
    held,
    remaining: Math.max(0, limit - sum(used, held)),
    resetsAtMs: resetsAt(state, nowMs),
  };
}

/**
 * End of the window. A full sliding window has no moment at which it empties: there it is the
 * time at which something is free again, if nothing else happens.
 */
export function resetsAt(state: CounterState, nowMs: number): number {
  if (state.window.kind !== "sliding" || fits(state, { reserve: 0 }, nowMs)) return state.endMs;
  const { lengthMs } = state.window;
  const current = sum(state.used, state.held);
  const previous = sum(state.previousUsed, state.previousHeld);
  const room = state.limit - gapToFit(state.previousUsed, state.previousHeld);
  if (current <= room) {
    return Math.max(nowMs, state.endMs - slidingTimeLeft(previous, room - current, lengthMs));
  }
  const nextRoom = Math.max(0, state.limit - gapToFit(state.used, state.held));
  return state.endMs + lengthMs - slidingTimeLeft(current, nextRoom, lengthMs);
}

/**
 * How far under the limit a bucket's weighted sum has to be for something to be free: one, and one
 * more where it is of two amounts, since each is rounded up by itself.
 */
function gapToFit(used: number, held: number): number {
  return used > 0 && held > 0 ? 2 : 1;
}

/** a + b within 0 and 2^53 − 1. */
function sum(a: number, b: number): number {
  return Math.min(Number.MAX_SAFE_INTEGER, Math.max(0, a + b));
}
