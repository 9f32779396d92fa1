import { describe, expect, test } from "vitest";
import { calendarBounds, type Period } from "../../../limitador-bridge/ledger/calendar.ts";

const hourMs = 3_600_000;

describe("calendarBounds", () => {
  test.each<[Period, string, string, string, string, number]>([
    ["hour", "UTC", "2027-01-04T08:59:59.999Z", "2027-01-04T08:00Z", "2027-01-04T09:00Z", 1],
    ["hour", "Asia/Kolkata", "2027-01-04T08:29Z", "2027-01-04T07:30Z", "2027-01-04T08:30Z", 1],
    ["day", "UTC", "2027-01-04T00:00Z", "2027-01-04T00:00Z", "2027-01-05T00:00Z", 24],
    ["day", "Asia/Kathmandu", "2027-01-04T18:15Z", "2027-01-04T18:15Z", "2027-01-05T18:15Z", 24],
    // Spring forward and fall back.
    ["day", "Europe/Berlin", "2027-03-28T12:00Z", "2027-03-27T23:00Z", "2027-03-28T22:00Z", 23],
    ["day", "Europe/Berlin", "2027-10-31T00:30Z", "2027-10-30T22:00Z", "2027-10-31T23:00Z", 25],
    // Midnight does not exist: the day begins at 01:00.
    ["day", "America/Santiago", "2027-09-05T12:00Z", "2027-09-05T04:00Z", "2027-09-06T03:00Z", 23],
    ["day", "America/Santiago", "2027-09-05T03:59Z", "2027-09-04T04:00Z", "2027-09-05T04:00Z", 24],
    // 24:00 falls back to 23:00.
    ["day", "America/Santiago", "2027-04-04T03:30Z", "2027-04-03T03:00Z", "2027-04-04T04:00Z", 25],
    // Midnight comes twice: the day has begun at the first.
    ["day", "America/Havana", "2027-11-07T05:30Z", "2027-11-07T04:00Z", "2027-11-08T05:00Z", 25],
    // Friday 2011-12-30 was left out.
    ["day", "Pacific/Apia", "2011-12-30T09:00Z", "2011-12-29T10:00Z", "2011-12-30T10:00Z", 24],
    ["day", "Pacific/Apia", "2011-12-30T10:00Z", "2011-12-30T10:00Z", "2011-12-31T10:00Z", 24],
    ["week", "UTC", "2027-01-10T23:59Z", "2027-01-04T00:00Z", "2027-01-11T00:00Z", 168],
    ["week", "UTC", "1970-01-01T00:00Z", "1969-12-29T00:00Z", "1970-01-05T00:00Z", 168],
    ["week", "Europe/Berlin", "2027-03-28T12:00Z", "2027-03-21T23:00Z", "2027-03-28T22:00Z", 167],
    ["month", "UTC", "2028-02-29T12:00Z", "2028-02-01T00:00Z", "2028-03-01T00:00Z", 29 * 24],
    [
      "month",
      "America/New_York",
      "2027-03-31T12:00Z",
      "2027-03-01T05:00Z",
      "2027-04-01T04:00Z",
      743,
    ],
    ["month", "Asia/Tokyo", "2026-12-31T15:00Z", "2026-12-31T15:00Z", "2027-01-31T15:00Z", 744],
  ])("%s in %s at %s", (period, zone, at, start, end, hours) => {
    const bounds = calendarBounds(period, zone, Date.parse(at));
    expect(bounds).toEqual({ startMs: Date.parse(start), endMs: Date.parse(end) });
    expect((bounds.endMs - bounds.startMs) / hourMs).toBe(hours);
  });

  test("an hour shown twice is two hours", () => {
    const first = Date.parse("2027-10-31T00:00Z");
    const at = (ms: number) => calendarBounds("hour", "Europe/Berlin", ms);
    expect(at(first + 1)).toEqual({ startMs: first, endMs: first + hourMs });
    expect(at(first + hourMs)).toEqual({ startMs: first + hourMs, endMs: first + 2 * hourMs });
  });

  test("a shift by half an hour cuts the hour short", () => {
    // Lord Howe: at 02:00 on 2027-04-04 the clock goes back to 01:30.
    const shift = Date.parse("2027-04-03T15:00Z");
    const at = (ms: number) => calendarBounds("hour", "Australia/Lord_Howe", ms);
    expect(at(shift - 1)).toEqual({ startMs: shift - hourMs, endMs: shift });
    expect(at(shift)).toEqual({ startMs: shift, endMs: shift + hourMs / 2 });
    // At 02:00 on 2027-10-03 it goes on to 02:30.
    const forward = Date.parse("2027-10-02T15:30Z");
    expect(at(forward - 1)).toEqual({ startMs: forward - hourMs, endMs: forward });
    expect(at(forward)).toEqual({ startMs: forward, endMs: forward + hourMs / 2 });
  });

  test.each(["Europe/Berlin", "America/Havana", "Australia/Lord_Howe", "America/Santiago"])(
    "windows in %s follow each other without gap or overlap for two years",
    (zone) => {
      for (const period of ["day", "week", "month"] as const) {
        let at = Date.parse("2026-06-15T00:00Z");
        let { endMs } = calendarBounds(period, zone, at);
        const until = Date.parse("2028-06-15T00:00Z");
        while (at < until) {
          const next = calendarBounds(period, zone, endMs);
          expect(next.startMs).toBe(endMs);
          expect(calendarBounds(period, zone, next.endMs - 1)).toEqual(next);
          at = endMs;
          endMs = next.endMs;
        }
      }
    },
  );

  test("an unknown zone is refused by name", () => {
    expect(() => calendarBounds("day", "Mars/Base", 0)).toThrow(
      'unknown time zone "Mars/Base", expected an IANA name',
    );
  });
});
