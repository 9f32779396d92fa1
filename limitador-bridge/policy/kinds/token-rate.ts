/** The rates of a limit: amounts by unit, and windows. */
import type { Unit } from "../../ledger/store/store.ts";
import { maxWindowMs, type Window, withCarryOver } from "../../ledger/window.ts";
import type { PolicyProblem } from "../policy-set.ts";
import { foundText } from "../schema-check.ts";
import type { FieldPath, SourceDocument } from "../source-document.ts";
import { MAX_USD, usdToNanoUsd } from "../usd-amount.ts";
import { durationMs, isTimeZone, windowKey } from "../window-text.ts";
import type { CompiledRate } from "./token-rate-limit.ts";
import type { RateText, WindowText } from "./token-rate-limit-schema.ts";

const DAY_MS = 24 * 60 * 60 * 1000;

type Problem = (path: FieldPath, message: string) => null;

function compileAmount(
  amount: string | number,
  unit: Unit,
  path: FieldPath,
  problem: Problem,
): number | null {
  if (unit === "usd") {
    const nanoUsd = usdToNanoUsd(amount);
    if (nanoUsd !== null) return nanoUsd;
    const expected = `an amount from 0 to ${MAX_USD} USD with at most 9 decimals`;
    return problem(path, `expected ${expected}, found ${foundText(amount)}`);
  }
  if (typeof amount === "number" && Number.isSafeInteger(amount)) return amount;
  const expected = `an integer from 0 to ${Number.MAX_SAFE_INTEGER}`;
  return problem(path, `expected ${expected}, found ${foundText(amount)}`);
}

function compileLength(text: string, path: FieldPath, problem: Problem): number | null {
  const lengthMs = durationMs(text);
  if (lengthMs > maxWindowMs) {
    const days = maxWindowMs / DAY_MS;
    return problem(path, `expected a duration of at most ${days} days, found ${foundText(text)}`);
  }
  if (lengthMs > 0) return lengthMs;
  return problem(path, `expected a duration above zero, found ${foundText(text)}`);
}

function compileWindow(text: WindowText, path: FieldPath, problem: Problem): Window | null {
  if (typeof text === "string") {
    const lengthMs = compileLength(text, path, problem);
    return lengthMs === null ? null : { kind: "fixed", lengthMs };
  }
  if ("sliding" in text) {
    const lengthMs = compileLength(text.sliding, [...path, "sliding"], problem);
    return lengthMs === null ? null : { kind: "sliding", lengthMs };
  }
  const { calendar, timeZone = "UTC", carryOver } = text;
  if (!isTimeZone(timeZone)) {
    const expected = 'an IANA time zone such as "Europe/Berlin"';
    return problem([...path, "timeZone"], `expected ${expected}, found ${foundText(timeZone)}`);
  }
  const period = calendar as "hour" | "day" | "week" | "month";
  return withCarryOver({ kind: "calendar", period, timeZone }, carryOver ?? 0);
}

/** The rates at `path`; what is wrong with them is added to `problems`. */
export function compileRates(
  document: SourceDocument,
  rates: RateText[],
  path: FieldPath,
  problems: PolicyProblem[],
): CompiledRate[] {
  const problem: Problem = (field, message) => {
    problems.push(document.problem(field, message));
    return null;
  };
  const seen = new Map<string, number>();
  return rates.flatMap((rate, i) => {
    const unit = (rate.unit ?? "total") as Unit;
    const amount = compileAmount(rate.limit, unit, [...path, i, "limit"], problem);
    const window = compileWindow(rate.window, [...path, i, "window"], problem);
    if (amount === null || window === null) return [];
    const kind = `${unit}/${windowKey(window)}`;
    const ordinal = seen.get(kind) ?? 0;
    seen.set(kind, ordinal + 1);
    // Two rates of one kind are two counters; else each request would be charged twice on one.
    return [{ unit, amount, window, key: ordinal === 0 ? kind : `${kind}#${ordinal}` }];
  });
}
