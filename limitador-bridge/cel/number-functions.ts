/** int() and uint() with CEL's ranges: what does not fit is an error and never another number. */
import { EvaluationError, evaluate } from "@marcbachmann/cel-js";
import { ownName } from "./function-names.ts";

const NANOS_PER_SECOND = 1_000_000_000n;
const RANGES = {
  int: { min: -(2n ** 63n), max: 2n ** 63n - 1n, text: /^[+-]?\d{1,20}$/ },
  uint: { min: 0n, max: 2n ** 64n - 1n, text: /^\d{1,20}$/ },
};
type WholeType = keyof typeof RANGES;

/** cel-js does not export the class of its unsigned numbers. */
const Unsigned = (evaluate("0u") as object).constructor as new (value: bigint) => object;

function overflow(type: WholeType): EvaluationError {
  const message = `${type}() type error: integer overflow`;
  return new EvaluationError({ code: "numeric_overflow", message });
}

function within(type: WholeType, value: bigint): bigint {
  const { min, max } = RANGES[type];
  if (value < min || value > max) throw overflow(type);
  return value;
}

function ofDouble(type: WholeType, value: number): bigint {
  if (!Number.isFinite(value) || (type === "uint" && value < 0)) throw overflow(type);
  return within(type, BigInt(Math.trunc(value)));
}

function ofText(type: WholeType, text: string): bigint {
  const { min, max, text: shape } = RANGES[type];
  const value = shape.test(text) ? BigInt(text) : null;
  if (value !== null && value >= min && value <= max) return value;
  const message = `${type}() type error: cannot convert to ${type}`;
  throw new EvaluationError({ code: `${type}_conversion_error`, message });
}

const int = ownName("int");
const uint = ownName("uint");

/** By signature, under the names that calls are given. */
export const NUMBER_FUNCTIONS: Readonly<Record<string, (...args: never[]) => unknown>> = {
  [`${int}(int): int`]: (value: bigint) => value,
  [`${int}(uint): int`]: (value: { valueOf(): bigint }) => within("int", value.valueOf()),
  [`${int}(double): int`]: (value: number) => ofDouble("int", value),
  [`${int}(string): int`]: (text: string) => ofText("int", text),
  [`${int}(google.protobuf.Duration): int`]: (value: { seconds: bigint; nanos: number }) =>
    value.seconds * NANOS_PER_SECOND + BigInt(value.nanos),
  [`${int}(google.protobuf.Timestamp): int`]: (time: Date) =>
    BigInt(Math.floor(time.getTime() / 1000)),
  [`${uint}(uint): uint`]: (value: object) => value,
  [`${uint}(int): uint`]: (value: bigint) => new Unsigned(within("uint", value)),
  [`${uint}(double): uint`]: (value: number) => new Unsigned(ofDouble("uint", value)),
  [`${uint}(string): uint`]: (text: string) => new Unsigned(ofText("uint", text)),
};
