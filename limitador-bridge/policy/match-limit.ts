/** Whether a request matches a limit, and on which counters. Pure. */
import { type CompiledExpression, evaluationMessage } from "../cel/expression.ts";
import { counterKey, counterValue } from "./counter-key.ts";
import type { CompiledLimit } from "./kinds/token-rate-limit.ts";
import type { MatchedLimit, MatchResult } from "./policy-set.ts";

type Activation = Record<string, unknown>;

/** Counts evaluations, for those who want to know that matching does not grow. */
export interface EvaluationCount {
  predicates: number;
}

class LimitMatch {
  readonly limit: CompiledLimit;
  readonly activation: Activation;
  readonly result: MatchResult;

  constructor(limit: CompiledLimit, activation: Activation, result: MatchResult) {
    this.limit = limit;
    this.activation = activation;
    this.result = result;
  }

  fail(expression: CompiledExpression, message: string): void {
    const { policy, name, mode, evaluationFailureMode } = this.limit;
    this.result.errors.push({
      policy,
      limit: name,
      expression: expression.source,
      message,
      // A limit in shadow never denies, and so neither do its failures.
      failureMode: mode === "shadow" ? "allow" : evaluationFailureMode,
    });
  }

  /** The value, or undefined after the failure was noted. */
  evaluate<T>(expression: CompiledExpression, convert: (value: unknown) => T): T | undefined {
    try {
      return convert(expression.evaluate(this.activation));
    } catch (error) {
      this.fail(expression, evaluationMessage(error));
      return undefined;
    }
  }

  /**
   * Whether all predicates hold. As with CEL's &&, one that is false decides, whatever the
   * others are and in whatever order they stand; else one that fails is a failure.
   */
  holds(count: EvaluationCount): boolean {
    let failed: { predicate: CompiledExpression; message: string } | null = null;
    for (const predicate of this.limit.when) {
      count.predicates++;
      try {
        const value = predicate.evaluate(this.activation);
        if (value === false) return false;
        if (value !== true)
          throw new Error(`the predicate must give a bool, found ${typeof value}`);
      } catch (error) {
        failed ??= { predicate, message: evaluationMessage(error) };
      }
    }
    if (failed !== null) this.fail(failed.predicate, failed.message);
    return failed === null;
  }

  /** Kuadrant's reservation; undefined where one of its expressions failed. */
  reserved(): Pick<MatchedLimit, "reserveAmount" | "reserveTtlMs"> | undefined {
    const { reserveAmount, reserveTtl } = this.limit;
    const reserved: Pick<MatchedLimit, "reserveAmount" | "reserveTtlMs"> = {};
    if (typeof reserveAmount === "number") reserved.reserveAmount = reserveAmount;
    else if (reserveAmount !== null) {
      const amount = this.evaluate(reserveAmount, toAmount);
      if (amount === undefined) return undefined;
      reserved.reserveAmount = amount;
    }
    if (reserveTtl !== null) {
      const ttlMs = this.evaluate(reserveTtl, toAmount);
      if (ttlMs === undefined) return undefined;
      reserved.reserveTtlMs = ttlMs;
    }
    return reserved;
  }

  match(): void {
    const { limit } = this;
    const values = limit.counters.map((counter) => this.evaluate(counter, counterValue));
    const reserved = this.reserved();
    if (values.includes(undefined) || reserved === undefined) return;
    for (const rate of limit.rates) {
      this.result.limits.push({
        policy: limit.policy,
        limit: limit.name,
        key: counterKey(limit.policy, limit.name, rate.key, values as string[]),
        unit: rate.unit,
        amount: rate.amount,
        window: rate.window,
        reservation: limit.reservation,
        mode: limit.mode,
        failureMode: limit.failureMode,
        ...(limit.enforcement === "ask" ? { enforcement: "ask" as const } : {}),
        ...(limit.onExhausted === "cut" ? { onExhausted: "cut" as const } : {}),
        ...(rate.unit === "usd" ? { unknownModel: limit.unknownModel } : {}),
        ...reserved,
      });
    }
  }
}

/** An int, uint or duration (in ms) as an integer of at least 0. */
function toAmount(value: unknown): number {
  const amount = Math.ceil(Number((value as { valueOf(): unknown }).valueOf()));
  if (Number.isSafeInteger(amount) && amount >= 0) return amount;
  throw new Error(`expected an amount of at least 0, found ${String(value)}`);
}

/** Adds to `result` the rates of `limit` that count this request, or what failed. */
export function matchLimit(
  limit: CompiledLimit,
  activation: Activation,
  result: MatchResult,
  count: EvaluationCount,
): void {
  const attempt = new LimitMatch(limit, activation, result);
  if (attempt.holds(count)) attempt.match();
}
