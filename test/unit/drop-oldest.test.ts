import { expect, test } from "vitest";
import { dropOldest } from "../../limitador-bridge/drop-oldest.ts";

const keys = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => `k${from + index}`);

test("up to the bound nothing goes", () => {
  const held = new Set(keys(0, 32));
  dropOldest(held, 32);
  expect([...held]).toEqual(keys(0, 32));
});

test("beyond it the oldest go, and a sixteenth with them", () => {
  const held = new Set(keys(0, 33));
  dropOldest(held, 32);
  expect([...held]).toEqual(keys(3, 33));
});

test("a map that is bounded at every entry never has more, and keeps the newest", () => {
  const held = new Map<string, number>();
  for (let index = 0; index < 1000; index++) {
    held.set(`k${index}`, index);
    dropOldest(held, 100);
    expect(held.size).toBeLessThanOrEqual(100);
    expect(held.size).toBeGreaterThanOrEqual(Math.min(index + 1, 94));
  }
  const values = [...held.values()];
  expect(values).toEqual(values.map((_, index) => 1000 - values.length + index));
});

test("with a small bound one goes at a time", () => {
  const held = new Set(keys(0, 4));
  dropOldest(held, 3);
  expect([...held]).toEqual(keys(1, 4));
});
