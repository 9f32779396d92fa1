/** rates[].window.carryOver: what of the last calendar window's rest is added to this one. */
import { describe, expect, test } from "vitest";
import { load, policy, problemsOf, request } from "./fixture.ts";

const withWindow = (window: string, beside = "") =>
  load(policy(`  limits:\n    a:\n      rates:\n      - {limit: 5, window: ${window}${beside}}\n`));
const AT = "spec.limits.a.rates[0]";
const HINT = "only a calendar window carries over, as window: {calendar: month, carryOver: 50}";

test.each([1, 50, 100])("%i percent reaches the limit, and names no other counter", (percent) => {
  const loaded = withWindow(`{calendar: month, timeZone: Europe/Paris, carryOver: ${percent}}`);
  expect(problemsOf(loaded)).toEqual([]);
  expect(loaded.set.match(request()).limits).toMatchObject([
    {
      key: "default/p/a/total/calendar:month:Europe/Paris",
      window: {
        kind: "calendar",
        period: "month",
        timeZone: "Europe/Paris",
        carryOver: { percent },
      },
    },
  ]);
});

test("not given: none", () => {
  const [limit] = withWindow("{calendar: month}").set.match(request()).limits;
  expect(limit?.window).toEqual({ kind: "calendar", period: "month", timeZone: "UTC" });
});

describe("refused", () => {
  test.each([
    ["0", "0"],
    ["101", "101"],
    ["-5", "-5"],
    ["12.5", "12.5"],
    ["50%", '"50%"'],
    ["true", "true"],
    ["", "nothing"],
  ])("a percentage %j", (given, found) => {
    expect(problemsOf(withWindow(`{calendar: day, carryOver: ${given}}`))).toEqual([
      `policies.yaml:10:55: ${AT}.window.carryOver: expected a percentage: ` +
        `an integer from 1 to 100, found ${found}`,
    ]);
  });

  test.each([
    ["a sliding window", "{sliding: 1h, carryOver: 50}", "", 42, `${AT}.window.carryOver`],
    ["a fixed window", "24h", ", carryOver: 50", 33, `${AT}.carryOver`],
    ["a calendar window, but outside", "{calendar: day}", ", carryOver: 50", 45, `${AT}.carryOver`],
  ])("beside %s", (_, window, beside, column, field) => {
    expect(problemsOf(withWindow(window, beside))).toEqual([
      `policies.yaml:10:${column}: ${field}: unknown field "carryOver": ${HINT}`,
    ]);
  });
});
