/** `onExhausted` of a TokenRateLimitPolicy's limits. */
import { describe, expect, test } from "vitest";
import { load, policy, problemsOf, request } from "./fixture.ts";

const limit = (fields: string) => policy(`  limits:\n    a: {${fields}}\n`);
const RATE = "rates: [{limit: 1, window: 1h}]";
const NO_RESERVATION = "cut needs a reservation: expected worst-case or {amount} beside it";

test.each([
  [`${RATE}, reservation: worst-case`, undefined],
  [`${RATE}, reservation: worst-case, onExhausted: continue`, undefined],
  [`${RATE}, reservation: worst-case, onExhausted: cut`, "cut"],
  [`${RATE}, reservation: {amount: 500}, onExhausted: cut`, "cut"],
  [`${RATE}, reservation: {amount: "500 + 1"}, onExhausted: cut`, "cut"],
])("%s", (fields, onExhausted) => {
  const loaded = load(limit(fields));
  expect(problemsOf(loaded)).toEqual([]);
  const [matched] = loaded.set.match(request()).limits;
  expect(matched?.onExhausted).toBe(onExhausted);
});

describe("what is refused", () => {
  test.each([
    [`${RATE}, onExhausted: cut`, NO_RESERVATION],
    [`${RATE}, reservation: none, onExhausted: cut`, NO_RESERVATION],
    [`${RATE}, reservation: {amount: 0}, onExhausted: cut`, NO_RESERVATION],
    [`${RATE}, reservation: {ttl: 'duration("30s")'}, onExhausted: cut`, NO_RESERVATION],
    [
      "rates: [{limit: 1, window: 1h, unit: requests}], reservation: worst-case, onExhausted: cut",
      "cut needs a rate that counts output: total, output or usd",
    ],
    [`${RATE}, onExhausted: stop`, 'expected "continue" or "cut", found "stop"'],
  ])("%s", (fields, message) => {
    const column = 9 + fields.indexOf(message.startsWith("cut") ? "onExhausted" : "stop");
    expect(problemsOf(load(limit(fields)))).toEqual([
      `policies.yaml:8:${column}: spec.limits.a.onExhausted: ${message}`,
    ]);
  });
});
