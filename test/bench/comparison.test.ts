import { describe, expect, test } from "vitest";
import type { Measurement } from "./measure.ts";
import { compare, meaningless } from "./ratios.ts";
import { countedOnce } from "./results.ts";

function measured(totalCpuUs: number, requestsPerSecond: number, p50Us: number): Measurement {
  return {
    requests: 100,
    requestsPerSecond,
    p50Us,
    p99Us: 2 * p50Us,
    cpuUs: { envoy: totalCpuUs - 10, service: 10 },
    totalCpuUs,
    loadCores: 0.3,
    upstreamCores: 0.2,
    problem: null,
  };
}

describe("comparison", () => {
  test("ratios are taken within each round, so that a slow round does not count twice", () => {
    const base = [measured(50, 1000, 200), measured(100, 500, 400), measured(60, 900, 250)];
    const chain = [measured(100, 500, 300), measured(200, 250, 500), measured(120, 450, 350)];
    const found = compare("json-4k", "ask", chain, base);
    expect(found.cpu).toEqual({ median: 2, min: 2, max: 2, relative: 0 });
    expect(found.throughput).toEqual({ median: 0.5, min: 0.5, max: 0.5, relative: 0 });
    expect(found.addedP50Us.median).toBe(100);
    expect(found.addedP99Us.median).toBe(200);
    expect(found.cpuUsByProcess).toEqual({ envoy: 110, service: 10 });
    expect(meaningless(found, false)).toEqual([]);
  });

  test("a ratio that spreads by more than 20 % says nothing", () => {
    const base = [1, 2, 3].map(() => measured(50, 1000, 200));
    const chain = [measured(100, 500, 300), measured(130, 520, 300), measured(160, 510, 600)];
    const found = compare("json-4k", "ask", chain, base);
    expect(meaningless(found, false)).toEqual([
      "json-4k, ask: the CPU ratio spreads by 34 % (2.00 to 3.20)",
    ]);
    expect(meaningless(found, true)).toEqual([]);
  });

  test("a figure that is none says nothing either", () => {
    const base = [measured(50, 1000, 200)];
    const found = compare("json-4k", "ask", [measured(Number.NaN, 500, 300)], base);
    expect(meaningless(found, false)).toHaveLength(1);
  });

  test("what went wrong in several rounds is one line", () => {
    expect(countedOnce(["a, b: first", "a, c: other", "a, b: again"])).toEqual([
      "a, b: first (and in 1 more measurements)",
      "a, c: other",
    ]);
  });
});
