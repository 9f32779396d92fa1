import { describe, expect, test } from "vitest";
import { createRatios } from "../../../limitador-bridge/estimate/ratios.ts";

describe("bytes per token", () => {
  test("start values, and never no input", () => {
    const ratios = createRatios();
    expect(ratios.get("any")).toEqual({ input: 5, output: 4.5 });
    expect(ratios.inputTokens("any", 590)).toBe(100);
    expect(ratios.inputTokens("any", 0)).toBe(1);
    expect(ratios.outputTokens("any", 45)).toBe(10);
    expect(ratios.outputTokens("any", 0)).toBe(0);
  });

  test("move towards what is observed, for that model only", () => {
    const ratios = createRatios();
    const errors = ratios.observe("m", 490, 100, 900, 100);
    expect(errors.input).toBeCloseTo(-0.2, 10);
    expect(errors.output).toBeCloseTo(1, 10);
    expect(ratios.get("m").input).toBeCloseTo(4.9, 10);
    expect(ratios.get("m").output).toBeCloseTo(4.95, 10);
    expect(ratios.get("other")).toEqual({ input: 5, output: 4.5 });
    expect(ratios.entries().map(([model]) => model)).toEqual(["m"]);
  });

  test("stay within bounds whatever is observed", () => {
    const ratios = createRatios();
    for (let i = 0; i < 300; i++) ratios.observe("high", 1e9, 20, 1e9, 20);
    for (let i = 0; i < 300; i++) ratios.observe("low", 91, 1e9, 1, 1e9);
    expect(ratios.get("high").input).toBeCloseTo(12, 6);
    expect(ratios.get("low").output).toBeCloseTo(1, 6);
  });

  test("few tokens and no bytes say nothing", () => {
    const ratios = createRatios();
    expect(ratios.observe("m", 1000, 19, 0, 500)).toEqual({ input: null, output: null });
    expect(ratios.entries()).toEqual([]);
  });

  test("the models remembered are bounded", () => {
    const ratios = createRatios();
    for (let i = 0; i < 2100; i++) ratios.observe(`m${i}`, 490, 100, 0, 0);
    expect(ratios.entries().length).toBe(1974);
    expect(ratios.entries()[0]?.[0]).toBe("m126");
  });
});
