import { describe, expect, test } from "vitest";
import { periodOf } from "../../../limitador-bridge/reports/period.ts";
import { dateOrTimeOfText, timeOfText } from "../../../limitador-bridge/reports/time-text.ts";
import { createService } from "../service/service-fixture.ts";

const EXPECTED = "a date or a time since 1970 as in RFC 3339, e.g. 2026-01-31T12:00:00Z";

describe("times", () => {
  test.each([
    ["2026-02-28T12:00:00Z", Date.UTC(2026, 1, 28, 12)],
    ["2026-02-28t12:00:00.123456789z", Date.UTC(2026, 1, 28, 12, 0, 0, 123)],
    ["2026-02-28T12:00+05:30", Date.UTC(2026, 1, 28, 6, 30)],
    ["2024-02-29T00:00:00-00:00", Date.UTC(2024, 1, 29)],
    ["0099-12-31T23:59:59Z", Date.parse("0099-12-31T23:59:59Z")],
    ["2026-02-29T00:00:00Z", null],
    ["2026-04-31T00:00:00Z", null],
    ["2026-13-01T00:00:00Z", null],
    ["2026-00-10T00:00:00Z", null],
    ["2026-01-00T00:00:00Z", null],
    ["2026-01-01T24:00:00Z", null],
    ["2026-01-01T00:60:00Z", null],
    ["2026-12-31T23:59:60Z", null],
    ["2026-01-01T00:00:00+24:00", null],
    ["2026-01-01T00:00:00", null],
    ["2026-01-01", null],
  ])("%s", (text, ms) => {
    expect(timeOfText(text)).toBe(ms);
  });

  test.each([
    ["2026-02-28", Date.UTC(2026, 1, 28)],
    ["2026-02-30", null],
    ["2026-2-3", null],
    ["", null],
  ])("%s as a date", (text, ms) => {
    expect(dateOrTimeOfText(text)).toBe(ms);
  });
});

test.each([
  "/v1/usage?since=2026-02-30",
  "/v1/usage?until=2026-04-31",
  "/v1/spend?from=2026-02-30",
])("%s is refused", async (url) => {
  const response = await createService().app.inject(url);
  expect(response.statusCode).toBe(400);
  const name = /\?(\w+)=/.exec(url)?.[1];
  expect(response.json().error).toEqual({
    code: "invalid_request",
    message: `querystring: ${name} must be ${EXPECTED}`,
  });
});

test("a report of a day that is not", () => {
  expect(() => periodOf({ from: "2026-02-01", to: "2026-02-30" }, 0)).toThrow(
    `to must be ${EXPECTED}`,
  );
});
