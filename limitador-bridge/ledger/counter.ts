/**
 * One counter: what is used and held in one window, and what claims, settlements and expiry do to
 * it. Pure: every function takes a state and returns another.
 *
 * A hold belongs to the window in which it was admitted, and so does its settlement. When that
 * window is over, the settlement changes no counter: its amount would have left the count with
 * the window anyhow. Inside the window `used` may go over the limit; that debt is never forgiven.
 */
import type { CounterView, LimitClaim, Unit } from "./store/store.ts";
import { invalidInput } from "./store/store-error.ts";
import {
  parseWindowTag,
  slidingShare,
  slidingTimeLeft,
  type Window,
  windowAt,
  windowTag,
} from "./window.ts";

/** What names a counter and says how it counts. */
export type CounterSpec = Pick<LimitClaim, "key" | "unit" | "limit" | "window">;

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
  /** Of the bucket before this one; 0 but for sliding windows. */
  previousUsed: number;
  previousHeld: number;
}

const units: readonly string[] = ["total", "input", "output", "requests", "usd"];

/**
 * Names a counter: the claim's key, its unit and window. A policy edit that changes unit or window
 * under one key thus begins a new counter, and never reads tokens as money.
 */
export function counterId(spec: Pick<CounterSpec, "key" | "unit" | "window">): string {
  return `${wellFormed(spec.key)}\n${spec.unit} ${windowTag(spec.window)}`;
}

/**
 * Reads what counterId wrote.
 * @throws StoreError invalid_input for any other text.
 */
export function parseCounterId(id: string): Pick<CounterSpec, "key" | "unit" | "window"> {
  const line = id.lastIndexOf("\n");
  const space = id.indexOf(" ", line);
  const unit = id.slice(line + 1, space);
  if (line < 0 || space < 0 || !units.includes(unit)) throw invalidInput("not a counter id");
  return {
    key: id.slice(0, line),
    unit: unit as Unit,
    window: parseWindowTag(id.slice(space + 1)),
  };
}

/** Lone surrogates become U+FFFD, as in every UTF-8 store: else a restart would lose the key. */
function wellFormed(key: string): string {
  return key.replace(/\p{Surrogate}/gu, "\ufffd");
}

/** The counter in the window of `nowMs`: the stored one, rolled on, or a new one. */
export function counterAt(
  stored: CounterState | undefined,
  spec: CounterSpec,
  nowMs: number,
): CounterState {
  if (stored !== undefined && nowMs < stored.endMs) {
    return stored.limit === spec.limit ? stored : { ...stored, limit: spec.limit };
  }
  const { startMs, endMs } = windowAt(spec.window, nowMs);
  const { key, unit, window, limit } = spec;
  const slides = stored?.window.kind === "sliding" && stored.endMs === startMs;
  return {
    key,
    unit,
    window,
    limit,
    startMs,
    endMs,
    used: 0,
    held: 0,
    previousUsed: slides ? stored.used : 0,
    previousHeld: slides ? stored.held : 0,
  };
}

/** True when nothing in the counter can matter any more, also not to a late settlement. */
export function isOver(state: CounterState, nowMs: number): boolean {
  return nowMs >= (state.window.kind === "sliding" ? 2 * state.endMs - state.startMs : state.endMs);
}

/** What counts against the limit at `nowMs`; the state must be of that time (counterAt). */
export function weighed(state: CounterState, nowMs: number): { used: number; held: number } {
  if (state.window.kind !== "sliding") return { used: state.used, held: state.held };
  const left = state.endMs - nowMs;
  const { lengthMs } = state.window;
  return {
    used: sum(state.used, slidingShare(state.previousUsed, left, lengthMs)),
    held: sum(state.held, slidingShare(state.previousHeld, left, lengthMs)),
  };
}

/** True when used + held + reserve ≤ limit, or used + held < limit where nothing is reserved. */
export function fits(state: CounterState, reserve: number, nowMs: number): boolean {
  const { used, held } = weighed(state, nowMs);
  const taken = sum(used, held);
  return reserve > 0 ? reserve <= state.limit - taken : taken < state.limit;
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
  if (startMs === state.startMs) {
    return { ...state, used: sum(state.used, change.used), held: sum(state.held, change.held) };
  }
  if (state.window.kind === "sliding" && startMs === state.startMs - state.window.lengthMs) {
    return {
      ...state,
      previousUsed: sum(state.previousUsed, change.used),
      previousHeld: sum(state.previousHeld, change.held),
    };
  }
  return state;
}

/** The counter as callers see it; the state must be of `nowMs` (counterAt). */
export function viewOf(state: CounterState, nowMs: number): CounterView {
  const { used, held } = weighed(state, nowMs);
  return {
    key: state.key,
    unit: state.unit,
    limit: state.limit,
    used,
    held,
    remaining: Math.max(0, state.limit - sum(used, held)),
    resetsAtMs: resetsAt(state, nowMs),
  };
}

/**
 * End of the window. A full sliding window has no moment at which it empties: there it is the
 * time at which something is free again, if nothing else happens.
 */
export function resetsAt(state: CounterState, nowMs: number): number {
  if (state.window.kind !== "sliding" || fits(state, 0, nowMs)) return state.endMs;
  const { lengthMs } = state.window;
  const current = sum(state.used, state.held);
  const previous = sum(state.previousUsed, state.previousHeld);
  // Used and held are rounded up apart, which may count one more.
  const room = state.limit - 2;
  if (current <= room) {
    return Math.max(nowMs, state.endMs - slidingTimeLeft(previous, room - current, lengthMs));
  }
  return state.endMs + lengthMs - slidingTimeLeft(current, Math.max(0, room), lengthMs);
}

/** a + b within 0 and 2^53 − 1. */
function sum(a: number, b: number): number {
  return Math.min(Number.MAX_SAFE_INTEGER, Math.max(0, a + b));
}
