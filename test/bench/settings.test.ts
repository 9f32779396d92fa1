import { expect, test } from "vitest";
import { readSettings } from "./settings.ts";

test("an empty variable is as good as none", () => {
  expect(readSettings({ BENCH_ROUNDS: "", PEERS: "" })).toEqual({
    seconds: 2,
    rounds: 5,
    connections: 32,
    ratePerSecond: 200,
    peers: null,
  });
});

test("values are taken as they are", () => {
  const env = { BENCH_SECONDS: "0.5", BENCH_ROUNDS: "7", BENCH_RATE: "50", PEERS: "/peers" };
  expect(readSettings(env)).toMatchObject({
    seconds: 0.5,
    rounds: 7,
    ratePerSecond: 50,
    peers: "/peers",
  });
});

test.each([
  [{ BENCH_SECONDS: "2s" }, 'BENCH_SECONDS: expected a number from 0.2 to 60, found "2s"'],
  [{ BENCH_SECONDS: "0.1" }, 'BENCH_SECONDS: expected a number from 0.2 to 60, found "0.1"'],
  [{ BENCH_ROUNDS: "2.5" }, 'BENCH_ROUNDS: expected a whole number, found "2.5"'],
  [{ BENCH_RATE: "-1" }, 'BENCH_RATE: expected a number from 1 to 5000, found "-1"'],
])("%o is refused", (env, message) => {
  expect(() => readSettings(env)).toThrow(message);
});
