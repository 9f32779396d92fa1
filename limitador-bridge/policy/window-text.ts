/** Windows and durations as policies write them. Pure. */
import type { Window } from "../ledger/window.ts";

/** Kuadrant's pattern (its CRD has h, m, s and ms), and days and weeks. */
export const DURATION_PATTERN = "^([0-9]{1,5}(h|m|s|ms|d|w)){1,4}$";

const UNIT_MS: Record<string, number> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** Length in ms of a duration that has DURATION_PATTERN: `1h30m` is 5,400,000. */
export function durationMs(text: string): number {
  let totalMs = 0;
  for (const [, count, unit] of text.matchAll(/([0-9]{1,5})(ms|h|m|s|d|w)/g)) {
    totalMs += Number(count) * (UNIT_MS[unit as string] as number);
  }
  return totalMs;
}

/** Whether this runtime knows the IANA time zone. */
export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** The window's part of a counter's key: windows that count differently differ. */
export function windowKey(window: Window): string {
  if (window.kind === "calendar") return `calendar:${window.period}:${window.timeZone}`;
  return `${window.kind}:${window.lengthMs}`;
}
