/** Getters of timestamps in a time zone as CEL has them, fixed offsets included, and duration(). */
import { EvaluationError, evaluate } from "@marcbachmann/cel-js";
import { remembered } from "../bounded-memo.ts";
import { ownName } from "./function-names.ts";

const MS_PER_MINUTE = 60_000;
const MS_PER_DAY = 86_400_000;
const NANOS_PER_SECOND = 1_000_000_000n;
const OFFSET = /^([+-]?)([01]\d|2[0-3]):([0-5]\d)$/;
/** A request may name the zone, so that not all of them are kept. */
const MAX_REMEMBERED_ZONES = 1000;

interface CelDuration {
  seconds: bigint;
  nanos: number;
}

/** cel-js does not export the class of its durations. */
const Duration = (evaluate("duration('0s')") as object).constructor as new (
  seconds: bigint,
  nanos: number,
) => CelDuration;

/** Each reads a time whose UTC fields are those of the zone. */
const GETTERS: Readonly<Record<string, (time: Date) => number>> = {
  getDate: (time) => time.getUTCDate(),
  getDayOfMonth: (time) => time.getUTCDate() - 1,
  getDayOfWeek: (time) => time.getUTCDay(),
  getDayOfYear: (time) =>
    Math.floor((time.getTime() - Date.UTC(time.getUTCFullYear(), 0, 1)) / MS_PER_DAY),
  getFullYear: (time) => time.getUTCFullYear(),
  getHours: (time) => time.getUTCHours(),
  getMilliseconds: (time) => time.getUTCMilliseconds(),
  getMinutes: (time) => time.getUTCMinutes(),
  getMonth: (time) => time.getUTCMonth(),
  getSeconds: (time) => time.getUTCSeconds(),
};
const DURATION_GETTERS = ["getHours", "getMinutes", "getSeconds", "getMilliseconds"] as const;

/** Methods of timestamps that take a time zone. */
export const TIME_GETTERS: ReadonlySet<string> = new Set(Object.keys(GETTERS));

const formats = new Map<string, Intl.DateTimeFormat>();

/** Throws RangeError where no such zone is known. */
function formatOf(zone: string): Intl.DateTimeFormat {
  return remembered(formats, MAX_REMEMBERED_ZONES, zone, () => {
    // Some engines also take offsets, in other forms than CEL's.
    if (!/^[A-Za-z]/.test(zone)) throw new RangeError(`not the name of a time zone: ${zone}`);
    return new Intl.DateTimeFormat("en-US", {
      timeZone: zone,
      calendar: "gregory",
      era: "short",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      hourCycle: "h23",
      minute: "numeric",
      second: "numeric",
    });
  });
}

/** Says what is wrong with a time zone, an IANA name or an offset, or null where it is fine. */
export function zoneProblem(zone: string): string | null {
  if (OFFSET.test(zone)) return null;
  try {
    formatOf(zone);
    return null;
  } catch {
    const expected = 'expected a name such as "Europe/Berlin" or an offset such as "-08:00"';
    return `unknown time zone: ${expected}, found ${JSON.stringify(zone)}`;
  }
}

function inNamedZone(time: Date, zone: string): Date {
  const parts = new Map(
    formatOf(zone)
      .formatToParts(time)
      .map((part) => [part.type, part.value]),
  );
  const field = (type: Intl.DateTimeFormatPartTypes) => Number(parts.get(type));
  const year = parts.get("era") === "BC" ? 1 - field("year") : field("year");
  const local = new Date(0);
  local.setUTCFullYear(year, field("month") - 1, field("day"));
  const ms = time.getUTCMilliseconds();
  local.setUTCHours(field("hour"), field("minute"), field("second"), ms);
  return local;
}

/** A time whose UTC fields are those that `time` has in the zone. */
function inZone(time: Date, zone: string): Date {
  const offset = OFFSET.exec(zone);
  if (offset !== null) {
    const minutes = Number(offset[2]) * 60 + Number(offset[3]);
    return new Date(time.getTime() + (offset[1] === "-" ? -minutes : minutes) * MS_PER_MINUTE);
  }
  const message = zoneProblem(zone);
  if (message !== null) throw new EvaluationError({ code: "invalid_time_zone", message });
  return inNamedZone(time, zone);
}

function timeFunctions(): Record<string, (...args: never[]) => unknown> {
  const functions: Record<string, (...args: never[]) => unknown> = {
    // As int() of a duration gives them.
    "duration(int): google.protobuf.Duration": (nanos: bigint) =>
      new Duration(nanos / NANOS_PER_SECOND, Number(nanos % NANOS_PER_SECOND)),
  };
  for (const [name, get] of Object.entries(GETTERS)) {
    const method = `google.protobuf.Timestamp.${ownName(name)}`;
    functions[`${method}(): int`] = (time: Date) => BigInt(get(time));
    functions[`${method}(string): int`] = (time: Date, zone: string) =>
      BigInt(get(inZone(time, zone)));
  }
  for (const name of DURATION_GETTERS) {
    const signature = `google.protobuf.Duration.${ownName(name)}(): int`;
    functions[signature] = (value: Record<typeof name, () => bigint>) => value[name]();
  }
  return functions;
}

/** By signature, under the names that calls are given. */
export const TIME_FUNCTIONS: Readonly<Record<string, (...args: never[]) => unknown>> =
  timeFunctions();
