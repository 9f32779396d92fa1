import { describe, expect, test } from "vitest";
import {
  exactNanoUsd,
  nanoUsdUp,
  nearestNanoUsd,
  parseDecimal,
} from "../../../limitador-bridge/pricing/decimal.ts";

describe("decimals", () => {
  test("are parsed without loss", () => {
    expect(parseDecimal("0.10")).toEqual({ digits: 10n, scale: 2 });
    expect(parseDecimal(4e-5)).toEqual({ digits: 4n, scale: 5 });
    expect(parseDecimal("1.5e3")).toEqual({ digits: 1500n, scale: 0 });
    expect(parseDecimal(0)).toEqual({ digits: 0n, scale: 0 });
  });

  test.each([[-1], ["-0.1"], ["1,5"], [""], [Number.NaN], [Number.POSITIVE_INFINITY], ["0x10"]])(
    "%s is none",
    (value) => expect(parseDecimal(value)).toBe(null),
  );

  test("amounts are rounded up to the nano-dollar", () => {
    expect(nanoUsdUp("0.0000123456")).toBe(12_346);
    expect(nanoUsdUp("0.000146625")).toBe(146_625);
    expect(nanoUsdUp(1e-30)).toBe(1);
    expect(nanoUsdUp("9007199.254740992")).toBe(null);
  });

  test("prices are exact, or of data near enough", () => {
    expect(exactNanoUsd(0.075)).toBe(75_000_000n);
    expect(exactNanoUsd("0.0000000001")).toBe(null);
    expect(exactNanoUsd(1_000_001)).toBe(null);
    expect(nearestNanoUsd(0.18000000000000002)).toBe(180_000_000n);
  });
});
