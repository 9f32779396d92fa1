/**
 * What counters are called in answers. Those of policies have keys that say it, as
 * policy/counter-key.ts writes them: `namespace/policy/limit/unit/window|value|value`. Those of
 * budgets (budget/budget-key.ts) have fewer parts, and the budget in force says it.
 */
import { windowText } from "../admission/limit-text.ts";
import type { BudgetLimit } from "../budget/budget-limits.ts";
import type { Window } from "../ledger/window.ts";
import { counterKey } from "../policy/counter-key.ts";

/** What a counter's key stands for. */
export interface CounterNames {
  /** namespace/name */
  policy: string;
  /** Name of the limit in its policy; of a budget: organization, team, app, user, model or task. */
  limit: string;
  /**
   * Values of the counter expressions, in their order; long ones as `sha256:…`. Of a budget: the
   * organization, or the team and what the ceiling is of; "" is who is not known.
   */
  counters: string[];
  /** "24h", "calendar month (Europe/Berlin)" */
  window: string;
}

/** The names in a key; null where no policy made it. */
export function counterNames(key: string): CounterNames | null {
  const [head = "", ...values] = key.split("|");
  // A time zone has slashes of its own.
  const [namespace, name, limit, unit, ...window] = head.split("/");
  if (namespace === undefined || name === undefined || limit === undefined) return null;
  if (unit === undefined || window.length === 0) return null;
  return {
    policy: `${namespace}/${name}`,
    limit: unescapePart(limit),
    counters: values.map(unescapePart),
    window: windowOfKey(window.join("/")),
  };
}

/** The names of a budget's counter. */
export function budgetCounterNames({ level, name, team, policy, window }: BudgetLimit) {
  const ofTeam = level === "organization" || level === "team" ? [] : [team ?? ""];
  const counters = [...ofTeam, name ?? ""];
  return { policy, limit: level, counters, window: windowText(window) } satisfies CounterNames;
}

/** What the keys of a policy, or of one limit of it, begin with; "" for all. */
export function counterKeyPrefix(policy: string | undefined, limit: string | undefined): string {
  if (policy === undefined || !policy.includes("/")) return "";
  return limit === undefined ? `${policy}/` : counterKey(policy, limit, "", []);
}

/** A counter's key without its values: what all counters of one rate have in common. */
export function rateOfKey(key: string): string {
  return key.split("|", 1)[0] ?? "";
}

function unescapePart(text: string): string {
  return text.replace(/%(25|2F|7C)/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

/** What windowKey wrote, in words; `#1` tells two rates of one window apart. */
function windowOfKey(text: string): string {
  const [, kind, detail = "", timeZone = ""] =
    /^(\w+):(\w+)(?::([^#]+))?(?:#\d+)?$/.exec(text) ?? [];
  const lengthMs = Number(detail);
  if (kind === "fixed" || kind === "sliding") return windowText({ kind, lengthMs });
  const period = detail as Extract<Window, { kind: "calendar" }>["period"];
  return kind === "calendar" ? windowText({ kind, period, timeZone }) : text;
}
