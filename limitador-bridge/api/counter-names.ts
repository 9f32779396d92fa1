/**
 * Reads what policy/counter-key.ts writes: `namespace/policy/limit/unit/window|value|value`. The
 * counters of budgets (budget/budget-key.ts) have fewer parts.
 */
import { counterKey } from "../policy/counter-key.ts";

/** What a counter's key stands for. */
export interface CounterNames {
  /** namespace/name */
  policy: string;
  limit: string;
  /** Values of the counter expressions, in their order; long ones as `sha256:…`. */
  counters: string[];
}

/** The names in a key; null where no policy made it. */
export function counterNames(key: string): CounterNames | null {
  const [head = "", ...values] = key.split("|");
  const [namespace, name, limit, unit, window] = head.split("/");
  if (namespace === undefined || name === undefined || limit === undefined) return null;
  if (unit === undefined || window === undefined) return null;
  return {
    policy: `${namespace}/${name}`,
    limit: unescapePart(limit),
    counters: values.map(unescapePart),
  };
}

/** What the keys of a policy, or of one limit of it, begin with; "" for all. */
export function counterKeyPrefix(policy: string | undefined, limit: string | undefined): string {
  if (policy === undefined || !policy.includes("/")) return "";
  return limit === undefined ? `${policy}/` : counterKey(policy, limit, "", []);
}

function unescapePart(text: string): string {
  return text.replace(/%(25|2F|7C)/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}
