/** Limit windows. All times are ms since 1970. Pure. */
import { assertTimeZone, calendarBounds } from "./calendar.ts";
import { invalidInput } from "./store/store-error.ts";

export type Window =
  /** From the first hit, as Kuadrant and Limitador do. */
  | { kind: "fixed"; lengthMs: number }
  /** Two-bucket sliding window: the last window's count weighted by how much of it is in view. */
  | { kind: "sliding"; lengthMs: number }
  | {
      kind: "calendar";
      period: "hour" | "day" | "week" | "month";
      timeZone: string;
      /** Not a part of what names a counter: with another percentage it is the same counter. */
      carryOver?: CarryOver;
    };

/**
 * What the last period leaves to this one: `percent` of its limit that was not used, rounded
 * down. What was carried over itself is not carried on, so that a limit grows by no more than
 * `percent` of itself. A counter that is new, or counted nothing in the last period, has nothing.
 */
export interface CarryOver {
  /** 1 to 100 */
  percent: number;
}

/** [startMs, endMs) */
export interface WindowBounds {
  startMs: number;
  endMs: number;
}

/** 1096 days: up to here the sliding weight is exact in 53 bits (see slidingShare). */
export const maxWindowMs = 1096 * 86_400_000;

/**
 * Checks a window that comes from outside.
 * @throws StoreError invalid_input: length no integer from 1 to maxWindowMs, unknown zone.
 */
export function assertWindow(window: Window): void {
  if (window.kind === "calendar") {
    if (!["hour", "day", "week", "month"].includes(window.period)) {
      throw invalidInput(`window period ${String(window.period)}: expected hour|day|week|month`);
    }
    assertTimeZone(window.timeZone);
    assertCarryOver(window.carryOver);
    return;
  }
  if (window.kind !== "fixed" && window.kind !== "sliding") {
    throw invalidInput("window kind: expected fixed, sliding or calendar");
  }
  const { lengthMs } = window;
  if (!Number.isSafeInteger(lengthMs) || lengthMs < 1 || lengthMs > maxWindowMs) {
    throw invalidInput(`window lengthMs ${lengthMs}: expected an integer from 1 to ${maxWindowMs}`);
  }
}

function assertCarryOver(carryOver: CarryOver | undefined): void {
  if (carryOver === undefined) return;
  const { percent } = carryOver;
  if (!Number.isInteger(percent) || percent < 1 || percent > 100) {
    throw invalidInput(`window carryOver percent ${percent}: expected an integer from 1 to 100`);
  }
}

/** The percentage that a window carries over; 0: none. */
export function carryPercent(window: Window): number {
  return window.kind === "calendar" ? (window.carryOver?.percent ?? 0) : 0;
}

/** A window with this percentage carried over; other windows than calendar ones as they are. */
export function withCarryOver(window: Window, percent: number): Window {
  if (window.kind !== "calendar" || percent === carryPercent(window)) return window;
  const { kind, period, timeZone } = window;
  return { kind, period, timeZone, ...(percent > 0 ? { carryOver: { percent } } : {}) };
}

/** Bounds of the window that a first hit at `nowMs` falls in (for sliding: its bucket). */
export function windowAt(window: Window, nowMs: number): WindowBounds {
  switch (window.kind) {
    case "fixed":
      return { startMs: nowMs, endMs: nowMs + window.lengthMs };
    case "sliding": {
      const startMs = nowMs - (nowMs % window.lengthMs);
      return { startMs, endMs: startMs + window.lengthMs };
    }
    case "calendar":
      return calendarBounds(window.period, window.timeZone, nowMs);
  }
}

/** A window as text, e.g. `fixed:60000`, `calendar:day:Europe/Berlin`. */
export function windowTag(window: Window): string {
  return window.kind === "calendar"
    ? `calendar:${window.period}:${window.timeZone}`
    : `${window.kind}:${window.lengthMs}`;
}

/**
 * Reads what windowTag wrote.
 * @throws StoreError invalid_input for any other text.
 */
export function parseWindowTag(tag: string): Window {
  const [kind, first = "", ...rest] = tag.split(":");
  const window =
    kind === "calendar"
      ? { kind, period: first, timeZone: rest.join(":") }
      : { kind, lengthMs: /^\d+$/.test(first) && rest.length === 0 ? Number(first) : Number.NaN };
  assertWindow(window as Window);
  return window as Window;
}

/** percent % of an amount, rounded down; exact below 2^53. */
export function percentOf(amount: number, percent: number): number {
  const rest = amount % 100;
  return ((amount - rest) / 100) * percent + Math.floor((rest * percent) / 100);
}

/** Length and time left of a sliding window in units in which the weight is exact. */
function slidingUnits(remainingMs: number, lengthMs: number) {
  // The product below is less than length², which has to fit 53 bits.
  if (lengthMs <= 94_906_265) return { unitMs: 1, remaining: remainingMs, length: lengthMs };
  const length = Math.floor(lengthMs / 1000);
  return { unitMs: 1000, remaining: Math.min(length, Math.ceil(remainingMs / 1000)), length };
}

/**
 * What of the last bucket's amount still counts: amount × remainingMs / lengthMs, rounded up.
 * Exact for every amount below 2^53; windows over 26 hours are weighted by whole seconds, also
 * rounded up, so that a sliding window never counts too little.
 */
export function slidingShare(amount: number, remainingMs: number, lengthMs: number): number {
  const { remaining, length } = slidingUnits(remainingMs, lengthMs);
  const rest = amount % length;
  const product = rest * remaining;
  const over = product % length;
  const restShare = (product - over) / length + (over > 0 ? 1 : 0);
  return ((amount - rest) / length) * remaining + restShare;
}

/**
 * The longest time left, in ms, at which `amount` in the last bucket counts for at most `room`.
 */
export function slidingTimeLeft(amount: number, room: number, lengthMs: number): number {
  const { unitMs, length } = slidingUnits(lengthMs, lengthMs);
  if (amount <= room) return lengthMs;
  return Number((BigInt(room) * BigInt(length)) / BigInt(amount)) * unitMs;
}
