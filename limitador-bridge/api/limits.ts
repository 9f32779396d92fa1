/** GET /v1/limits: counters, with what is used, held and left. */
import type { FastifyInstance } from "fastify";
import Type, { type Static } from "typebox";
import { windowText } from "../admission/limit-text.ts";
import type { Log } from "../admission/ports.ts";
import { budgetOfCounter } from "../budget/budget-counter.ts";
import type { BudgetIndex } from "../budget/budget-index.ts";
import { organizationKey, teamKey } from "../budget/budget-key.ts";
import type { GrantSource } from "../budget/grants.ts";
import { limitInForce } from "../ledger/counter.ts";
import { type CounterView, type Store, UNITS } from "../ledger/store/store.ts";
import { windowTag } from "../ledger/window.ts";
import type { Metrics } from "../metrics.ts";
import { ANYONE } from "../policy/kinds/llm-budget-schema.ts";
import type { PolicySet } from "../policy/policy-set.ts";
import { inSlices } from "../turns.ts";
import {
  budgetCounterNames,
  type CounterNames,
  counterKeyPrefix,
  counterNames,
  rateOfKey,
} from "./counter-names.ts";
import { callStore } from "./store-call.ts";

const DEFAULT_MAX = 100;
const MAX_MAX = 1000;
/** Counters looked at for one answer, and in one turn: all take longer than an ask should wait. */
const MAX_SCANNED = 10_000;
const SLICE = 1_000;
/** Of every team; see budget-key.ts. */
const BUDGET_PREFIX = "budget/";

const Query = Type.Object(
  {
    /** namespace/name, or the name alone. */
    policy: Type.Optional(Type.String()),
    /** Name of the limit in its policy; of budgets organization, team, app, user, model, task. */
    limit: Type.Optional(Type.String()),
    /** Any counter value contains this. */
    counter: Type.Optional(Type.String()),
    /** Any counter value begins with this. */
    counterPrefix: Type.Optional(Type.String()),
    /** Length of the answer. */
    max: Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_MAX, default: DEFAULT_MAX })),
  },
  { additionalProperties: false },
);
type Query = Static<typeof Query>;

/** What a counter is called, and the limit in force. */
interface Counted {
  names: CounterNames;
  limit: number;
}

const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const Limit = Type.Object({
  policy: Type.String(),
  limitName: Type.String(),
  /**
   * What the counter is for: values of the counter expressions, in their order. Of a budget: the
   * organization, the team, or the team and what the ceiling is of; "": not known.
   */
  counters: Type.Array(Type.String()),
  unit: Type.String({ enum: [...UNITS] }),
  /** e.g. 24h, sliding 1h, calendar month (UTC) */
  window: Type.String(),
  limit: Count,
  used: Count,
  held: Count,
  remaining: Count,
  resetsAt: Type.String(),
});
const Answer = Type.Object({
  limits: Type.Array(Limit),
  /** True where there are more than are shown. */
  truncated: Type.Boolean(),
});

export interface LimitsParts {
  store: Pick<Store, "counters">;
  policies: () => Pick<PolicySet, "budgets" | "rates">;
  grants: GrantSource;
  metrics: Metrics;
  log: Log;
  nowMs: () => number;
}

export function registerLimits(app: FastifyInstance, parts: LimitsParts): void {
  const schema = {
    summary: "Counters of policies and budgets: used, held and remaining; usd in nano-USD",
    querystring: Query,
    response: { 200: Answer },
  };
  app.get<{ Querystring: Query }>("/v1/limits", { schema }, async ({ query }) => {
    const max = query.max ?? DEFAULT_MAX;
    const policies = parts.policies();
    const views: CounterView[] = [];
    let isCut = false;
    for (const prefix of prefixesOf(query, policies.budgets)) {
      const found = await callStore(parts, () => parts.store.counters(prefix, MAX_SCANNED));
      isCut ||= found.length === MAX_SCANNED;
      views.push(...found);
    }
    const limits: Static<typeof Limit>[] = [];
    for await (const slice of inSlices(views, SLICE)) {
      for (const view of slice) {
        const counted = countedBy(view, parts, policies);
        if (counted === null || !isAskedFor(counted.names, query)) continue;
        limits.push(limitOf(counted, view));
      }
    }
    return { limits: limits.slice(0, max), truncated: isCut || limits.length > max };
  });
}

/** What the keys of the counters that may be asked for begin with. */
function prefixesOf({ policy, limit }: Query, { budgets }: BudgetIndex): string[] {
  const prefix = counterKeyPrefix(policy, limit);
  if (prefix === "") return [prefix];
  const ofBudgets = budgets.flatMap(({ policy: name, team, organization }) => {
    if (name !== policy) return [];
    if (team === ANYONE) return [BUDGET_PREFIX];
    return [team === null ? organizationKey(organization ?? "") : teamKey(team)];
  });
  const all = [prefix, ...ofBudgets];
  // A namespace may be named "budget" too: what two of them begin with is not to be told twice.
  return all.filter((each) => !all.some((other) => other !== each && each.startsWith(other)));
}

/** What a counter counts, and how much that may be now; null: nothing that anyone asks for. */
function countedBy(
  view: CounterView,
  { grants, nowMs }: LimitsParts,
  { budgets, rates }: ReturnType<LimitsParts["policies"]>,
): Counted | null {
  const names = counterNames(view.key);
  if (names !== null) {
    const rate = rates?.get(rateOfKey(view.key));
    // What no policy counts any more keeps the limit that it had.
    return { names, limit: rate === undefined ? view.limit : limitInForce(rate, view) };
  }
  const budget = budgetOfCounter(view.key, budgets, grants, nowMs());
  if (budget === null) return null;
  const inForce = budgetCounterNames(budget);
  // Until it is over, the counter of the time zone that a budget had before, as it was.
  const isBefore = windowTag(view.window) !== windowTag(budget.window);
  return isBefore
    ? { names: { ...inForce, window: windowText(view.window) }, limit: view.limit }
    : { names: inForce, limit: budget.limitNanoUsd };
}

function isAskedFor(names: CounterNames, query: Query): boolean {
  const { policy, limit, counter, counterPrefix } = query;
  const values = names.counters;
  return (
    (policy === undefined || names.policy === policy || names.policy.endsWith(`/${policy}`)) &&
    (limit === undefined || names.limit === limit) &&
    (counter === undefined || values.some((value) => value.includes(counter))) &&
    (counterPrefix === undefined || values.some((value) => value.startsWith(counterPrefix)))
  );
}

function limitOf({ names, limit }: Counted, view: CounterView): Static<typeof Limit> {
  return {
    policy: names.policy,
    limitName: names.limit,
    counters: names.counters,
    unit: view.unit,
    window: names.window,
    limit,
    used: view.used,
    held: view.held,
    remaining: Math.max(0, limit - view.used - view.held),
    resetsAt: new Date(view.resetsAtMs).toISOString(),
  };
}
