/** The time that a report is about. Pure. */
import { calendarBounds } from "../ledger/calendar.ts";
import { dateOrTimeOfText } from "./time-text.ts";

const MONTH = /^(\d{4})-(0[1-9]|1[0-2])$/;
/** No record is older than what the times of records are counted from. */
const FIRST_YEAR = 1970;
const HALF_MONTH_MS = 15 * 86_400_000;

/** [fromMs, toMs), ms since 1970. */
export interface Period {
  fromMs: number;
  toMs: number;
}

export interface PeriodText {
  from?: string;
  to?: string;
  /** 2026-11 */
  month?: string;
  /** IANA name; the zone of `month`, UTC where not given. */
  timeZone?: string;
}

/** A period that cannot be read; the message names what is wrong. */
export class PeriodError extends Error {}

/**
 * The month that is asked for, or from and to; without any of them the month of `nowMs` so far.
 * @throws PeriodError
 */
export function periodOf({ from, to, month, timeZone = "UTC" }: PeriodText, nowMs: number): Period {
  if (month !== undefined) {
    if (from !== undefined || to !== undefined) {
      throw new PeriodError("month: cannot stand beside from or to");
    }
    return monthOf(month, timeZone);
  }
  const toMs = to === undefined ? nowMs : timeMs("to", to);
  const fromMs = from === undefined ? monthAround(toMs - 1, timeZone).fromMs : timeMs("from", from);
  if (fromMs >= toMs) throw new PeriodError("from: must be before to");
  return { fromMs, toMs };
}

function monthOf(month: string, timeZone: string): Period {
  const [, year, number] = MONTH.exec(month) ?? [];
  if (year === undefined || Number(year) < FIRST_YEAR) {
    throw new PeriodError(`month: expected a month such as 2026-11, found "${month}"`);
  }
  // The middle of the month is in that month in every time zone.
  return monthAround(Date.UTC(Number(year), Number(number) - 1) + HALF_MONTH_MS, timeZone);
}

function monthAround(timeMs: number, timeZone: string): Period {
  try {
    const { startMs, endMs } = calendarBounds("month", timeZone, timeMs);
    return { fromMs: startMs, toMs: endMs };
  } catch (cause) {
    throw new PeriodError(`timeZone: expected an IANA time zone, found "${timeZone}"`, { cause });
  }
}

function timeMs(name: string, text: string): number {
  const ms = dateOrTimeOfText(text);
  if (ms !== null && ms >= 0) return ms;
  throw new PeriodError(
    `${name} must be a date or a time since 1970 as in RFC 3339, e.g. 2026-01-31T12:00:00Z`,
  );
}
