/** Claims as script arguments, and counters as scripts tell them. */
import { calendarBounds } from "../../calendar.ts";
import {
  type CounterSpec,
  type CounterState,
  counterAt,
  parseCounterId,
  viewOf,
} from "../../counter.ts";
import { carryPercent, type Window, withCarryOver } from "../../window.ts";
import { type CounterView, type LimitClaim, UNITS, type Unit } from "../store.ts";
import { StoreError } from "../store-error.ts";

/** What the scripts call a unit: its place in UNITS, from 1. */
export function unitIndex(unit: Unit): number {
  return UNITS.indexOf(unit) + 1;
}

/** A claim as an argument of lua/prelude.ts; `nowMs` is the server's time, about. */
export function claimArg(claim: LimitClaim, nowMs: number): string {
  const { unit, limit, reserve, onExpiry, enforced, window } = claim;
  const span = spanText(window, nowMs);
  const isEnforced = enforced ? 1 : 0;
  const terms = termsText(claim);
  return `${unitIndex(unit)} ${limit} ${reserve} ${onExpiry} ${isEnforced} ${span}${terms}`;
}

function spanText(window: Window, nowMs: number): string {
  if (window.kind === "calendar") return `c ${calendarTable(window, nowMs)}`;
  return `${window.kind === "fixed" ? "f" : "s"} ${window.lengthMs}`;
}

function termsText({ allowance = 0, below, from = 0, window }: LimitClaim): string {
  const percent = carryPercent(window);
  if (allowance === 0 && below === undefined && from === 0 && percent === 0) return "";
  return ` ${allowance} ${below ?? "-"} ${from} ${percent}`;
}

interface CalendarTable {
  fromMs: number;
  toMs: number;
  table: string;
}
const tables = new Map<string, CalendarTable>();

/** Starts of the last, this, the next period and the one after, and the end of that. */
function calendarTable(window: Window & { kind: "calendar" }, nowMs: number): string {
  const { period, timeZone } = window;
  const key = `${period} ${timeZone}`;
  const known = tables.get(key);
  if (known !== undefined && known.fromMs <= nowMs && nowMs < known.toMs) return known.table;
  const current = calendarBounds(period, timeZone, nowMs);
  const last = calendarBounds(period, timeZone, current.startMs - 1);
  const next = calendarBounds(period, timeZone, current.endMs);
  const after = calendarBounds(period, timeZone, next.endMs);
  const starts = [last.startMs, current.startMs, current.endMs, next.endMs];
  const table = [...starts, after.endMs].join(",");
  tables.set(key, { fromMs: current.startMs, toMs: current.endMs, table });
  return table;
}

/**
 * The counter of a claim that a script told (told in lua/prelude.ts), in the window of its time.
 * @throws StoreError corrupt where the text is none.
 */
export function toldState(spec: CounterSpec, told: unknown, nowMs: number) {
  const stored = storedState(spec, numbersOf(spec, told));
  // After a fail-over the server's clock may be behind the one that began the window.
  const timeMs = Math.max(nowMs, stored?.startMs ?? 0);
  return { state: counterAt(stored, spec, timeMs), timeMs };
}

/**
 * The view of a counter that a script told with its id and limit.
 * @param claim on the same counter, to save reading its id
 */
export function toldView(
  id: string,
  limit: number,
  told: unknown,
  nowMs: number,
  claim: CounterSpec | undefined,
): CounterView {
  const { key, unit, window } = claim ?? parseCounterId(id);
  const names = { key, unit, limit };
  const numbers = numbersOf({ ...names, window }, told);
  const spec = { ...names, window: withCarryOver(window, numbers[8] ?? 0) };
  const stored = storedState(spec, numbers);
  const timeMs = Math.max(nowMs, stored?.startMs ?? 0);
  return viewOf(counterAt(stored, spec, timeMs), timeMs);
}

/** s e u h p q, and b m k l where something may be carried over; none: there is no counter. */
function numbersOf(spec: CounterSpec, told: unknown): number[] {
  if (told === "") return [];
  const numbers = String(told).split(" ").map(Number);
  const isWhole = numbers.length === 6 || numbers.length === 10;
  if (isWhole && numbers.every(Number.isSafeInteger)) return numbers;
  throw new StoreError("corrupt", `counter ${JSON.stringify(spec.key)} cannot be read`);
}

function storedState(spec: CounterSpec, numbers: number[]): CounterState | undefined {
  const [startMs, endMs = 0, used = 0, held = 0, previousUsed = 0, previousHeld = 0] = numbers;
  if (startMs === undefined) return undefined;
  const { key, unit, window } = spec;
  const [previousStartMs = 0, previousLimit = 0, percent = 0, limit = spec.limit] =
    numbers.length > 6 ? numbers.slice(6) : [];
  return {
    key,
    unit,
    window: withCarryOver(window, percent),
    limit,
    startMs,
    endMs,
    used,
    held,
    previousUsed,
    previousHeld,
    previousStartMs,
    previousLimit,
  };
}
