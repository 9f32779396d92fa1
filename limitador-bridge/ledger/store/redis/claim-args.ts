/** Claims as script arguments, and counters as scripts tell them. */
import { calendarBounds } from "../../calendar.ts";
import { type CounterSpec, type CounterState, counterAt, viewOf } from "../../counter.ts";
import type { Window } from "../../window.ts";
import type { CounterView, LimitClaim } from "../store.ts";
import { StoreError } from "../store-error.ts";

const unitIndex = { total: 1, input: 2, output: 3, requests: 4, usd: 5 } as const;

/** A claim as the eleven arguments of lua/prelude.ts; `nowMs` is the server's time, about. */
export function claimArgs(counterId: string, claim: LimitClaim, nowMs: number): string[] {
  const { unit, limit, reserve, onExpiry, enforced, window } = claim;
  return [
    counterId,
    String(unitIndex[unit]),
    String(limit),
    String(reserve),
    String(onExpiry),
    enforced ? "1" : "0",
    ...windowArgs(window, nowMs),
  ];
}

function windowArgs(window: Window, nowMs: number): string[] {
  if (window.kind !== "calendar") {
    return [window.kind === "fixed" ? "f" : "s", String(window.lengthMs), "0", "0", "0"];
  }
  return ["c", ...calendarTable(window, nowMs)];
}

interface CalendarTable {
  fromMs: number;
  toMs: number;
  table: string[];
}
const tables = new Map<string, CalendarTable>();

/** Starts of the last, this and the next period, and the end of the next. */
function calendarTable(window: Window & { kind: "calendar" }, nowMs: number): string[] {
  const { period, timeZone } = window;
  const key = `${period} ${timeZone}`;
  const known = tables.get(key);
  if (known !== undefined && known.fromMs <= nowMs && nowMs < known.toMs) return known.table;
  const current = calendarBounds(period, timeZone, nowMs);
  const last = calendarBounds(period, timeZone, current.startMs - 1);
  const next = calendarBounds(period, timeZone, current.endMs);
  const table = [last.startMs, current.startMs, current.endMs, next.endMs].map(String);
  tables.set(key, { fromMs: current.startMs, toMs: current.endMs, table });
  return table;
}

/** Numbers that a script tells of one counter: s, e, u, h, p, q; -1: there is none. */
export const toldNumbers = 6;

/**
 * The counter that a script told, in the window of its time.
 * @throws StoreError corrupt where the numbers are none.
 */
export function toldState(spec: CounterSpec, told: readonly unknown[], nowMs: number) {
  const numbers = told.map(Number);
  if (numbers.length !== toldNumbers || !numbers.every(Number.isSafeInteger)) {
    throw new StoreError("corrupt", `counter ${JSON.stringify(spec.key)} cannot be read`);
  }
  const [startMs = -1, endMs = 0, used = 0, held = 0, previousUsed = 0, previousHeld = 0] = numbers;
  const { key, unit, window, limit } = spec;
  const stored: CounterState | undefined =
    startMs < 0
      ? undefined
      : { key, unit, window, limit, startMs, endMs, used, held, previousUsed, previousHeld };
  // After a fail-over the server's clock may be behind the one that began the window.
  const timeMs = Math.max(nowMs, startMs);
  return { state: counterAt(stored, spec, timeMs), timeMs };
}

/** The view of a counter that a script told. */
export function toldView(spec: CounterSpec, told: readonly unknown[], nowMs: number): CounterView {
  const { state, timeMs } = toldState(spec, told, nowMs);
  return viewOf(state, timeMs);
}
