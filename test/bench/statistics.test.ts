import { describe, expect, test } from "vitest";
import { median, percentile, spreadOf } from "./statistics.ts";

describe("statistics", () => {
  test("the median is the middle, or the mean of the two in the middle", () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([9, 1, 5, 6])).toBe(5.5);
    expect(median([])).toBeNaN();
  });

  test("a percentile is a value that was seen", () => {
    const values = Array.from({ length: 200 }, (_, i) => i + 1);
    expect(percentile(values, 0.5)).toBe(100);
    expect(percentile(values, 0.99)).toBe(198);
    expect(percentile(values, 1)).toBe(200);
    expect(percentile(values, 0)).toBe(1);
    expect(percentile([], 0.5)).toBeNaN();
  });

  test("a spread is not moved by one value far off", () => {
    expect(spreadOf([10, 11, 9, 10, 90])).toEqual({
      median: 10,
      min: 9,
      max: 90,
      relative: 0.14826,
    });
  });
});
