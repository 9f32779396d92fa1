import fc from "fast-check";
import { expect, test } from "vitest";
import { isoTime, parseIsoTime } from "../../limitador-bridge/iso-time.ts";

const MAX_DATE_MS = 8.64e15;
const times = fc.oneof(
  fc.integer({ min: 1_767_225_599_990, max: 1_767_225_601_010 }),
  fc.integer({ min: -MAX_DATE_MS, max: MAX_DATE_MS }),
);

test("times are written and read as Date does, whatever was before", () => {
  fc.assert(
    fc.property(fc.array(times, { minLength: 1, maxLength: 10 }), (several) => {
      for (const ms of several) {
        const text = isoTime(ms);
        expect(text).toBe(new Date(ms).toISOString());
        expect(parseIsoTime(text)).toBe(ms);
      }
      // Also of other seconds than the one that was written last.
      expect(several.map(isoTime).map(parseIsoTime)).toEqual(several);
    }),
  );
});

test.each([
  "2026-01-01T00:00:00.5Z",
  "2026-01-01T00:00:00.1234Z",
  "2026-01-01T00:00:00.000+01:00",
  "2026-01-01T00:00:00.00xZ",
  "2026-01-01T00:00:00.",
  "2026-01-01",
  "yesterday",
  "",
])("%j is read as Date.parse does beside the same second", (text) => {
  isoTime(Date.UTC(2026, 0, 1));
  expect(parseIsoTime(text)).toBe(Date.parse(text));
});

test("a time that no Date can have is refused", () => {
  expect(() => isoTime(MAX_DATE_MS + 1000)).toThrow(RangeError);
  expect(() => isoTime(Number.NaN)).toThrow(RangeError);
});
