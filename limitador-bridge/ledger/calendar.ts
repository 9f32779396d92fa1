/**
 * Bounds of calendar windows in an IANA time zone, daylight saving included. The zone data is that
 * of the runtime (Intl), so it is as new as Node's ICU.
 *
 * Days, weeks and months run from one local midnight to another, and so may last an hour more or
 * less. Hours last one hour of real time, also when the clock shows the same hour twice; only
 * where a zone shifts by a part of an hour (Lord Howe) one is cut short at the shift.
 */
import { invalidInput } from "./store/store-error.ts";
import type { WindowBounds } from "./window.ts";

export type Period = "hour" | "day" | "week" | "month";

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

const formatters = new Map<string, Intl.DateTimeFormat>();
const lastBounds = new Map<string, WindowBounds>();

/**
 * The calendar period that holds `nowMs`.
 * @throws StoreError invalid_input where the time zone is unknown.
 */
export function calendarBounds(period: Period, timeZone: string, nowMs: number): WindowBounds {
  const cacheKey = `${period} ${timeZone}`;
  const last = lastBounds.get(cacheKey);
  if (last !== undefined && last.startMs <= nowMs && nowMs < last.endMs) return last;
  const bounds =
    period === "hour" ? hourBounds(timeZone, nowMs) : dayBounds(period, timeZone, nowMs);
  lastBounds.set(cacheKey, bounds);
  return bounds;
}

/**
 * Checks that the runtime knows the zone.
 * @throws StoreError invalid_input where it does not.
 */
export function assertTimeZone(timeZone: string): void {
  formatterOf(timeZone);
}

function formatterOf(timeZone: string): Intl.DateTimeFormat {
  const known = formatters.get(timeZone);
  if (known !== undefined) return known;
  try {
    const formatter = new Intl.DateTimeFormat("en-US", {
      calendar: "gregory",
      numberingSystem: "latn",
      hourCycle: "h23",
      timeZone,
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    });
    formatters.set(timeZone, formatter);
    return formatter;
  } catch {
    throw invalidInput(`unknown time zone ${JSON.stringify(timeZone)}, expected an IANA name`);
  }
}

/** What the wall clock shows at an instant, as if it were UTC. */
function wallClockMs(timeZone: string, atMs: number): number {
  const field: Record<string, number> = {};
  for (const part of formatterOf(timeZone).formatToParts(atMs)) {
    field[part.type] = Number(part.value);
  }
  const { year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0 } = field;
  return Date.UTC(year, month - 1, day, hour, minute, second) + modulo(atMs, 1000);
}

function offsetMs(timeZone: string, atMs: number): number {
  return wallClockMs(timeZone, atMs) - atMs;
}

/** The first instant at which the wall clock shows `wallMs`, or has jumped over it. */
function instantOf(timeZone: string, wallMs: number): number {
  const candidates = [
    wallMs - offsetMs(timeZone, wallMs - dayMs),
    wallMs - offsetMs(timeZone, wallMs + dayMs),
  ];
  const early = Math.min(...candidates);
  const late = Math.max(...candidates);
  if (wallClockMs(timeZone, early) === wallMs) return early;
  if (wallClockMs(timeZone, late) === wallMs) return late;
  return firstInstant(early, late, (atMs) => wallClockMs(timeZone, atMs) >= wallMs);
}

/** The smallest instant in (fromMs, toMs] for which `holds`; it must hold at toMs. */
function firstInstant(fromMs: number, toMs: number, holds: (atMs: number) => boolean): number {
  let before = fromMs;
  let after = toMs;
  while (after - before > 1) {
    const middle = before + Math.floor((after - before) / 2);
    if (holds(middle)) after = middle;
    else before = middle;
  }
  return after;
}

function hourBounds(timeZone: string, nowMs: number): WindowBounds {
  const offset = offsetMs(timeZone, nowMs);
  const startMs = nowMs - modulo(nowMs + offset, hourMs);
  const endMs = startMs + hourMs;
  const shiftsWithinHour = (atMs: number) =>
    modulo(offsetMs(timeZone, atMs) - offset, hourMs) !== 0;
  const sameOffset = (atMs: number) => offsetMs(timeZone, atMs) === offset;
  return {
    startMs: shiftsWithinHour(startMs) ? firstInstant(startMs, nowMs, sameOffset) : startMs,
    endMs: shiftsWithinHour(endMs - 1)
      ? firstInstant(nowMs, endMs - 1, (atMs) => !sameOffset(atMs))
      : endMs,
  };
}

function dayBounds(period: "day" | "week" | "month", timeZone: string, nowMs: number) {
  const wallMs = wallClockMs(timeZone, nowMs);
  const [from, to] = wallPeriod(period, wallMs - modulo(wallMs, dayMs));
  return { startMs: instantOf(timeZone, from), endMs: instantOf(timeZone, to) };
}

/** First and last local midnight of the period around the given one. */
function wallPeriod(period: "day" | "week" | "month", midnightMs: number): [number, number] {
  if (period === "day") return [midnightMs, midnightMs + dayMs];
  if (period === "week") {
    // ISO 8601: weeks begin on Monday; 1970-01-01 was a Thursday.
    const mondayMs = midnightMs - modulo(midnightMs / dayMs + 3, 7) * dayMs;
    return [mondayMs, mondayMs + 7 * dayMs];
  }
  const date = new Date(midnightMs);
  const year = date.getUTCFullYear();
  const month = date.getUTCMonth();
  return [Date.UTC(year, month, 1), Date.UTC(year, month + 1, 1)];
}

function modulo(value: number, by: number): number {
  return ((value % by) + by) % by;
}
