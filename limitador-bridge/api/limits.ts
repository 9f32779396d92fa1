/** GET /v1/limits: counters, with what is used, held and left. */
import type { FastifyInstance } from "fastify";
import Type, { type Static } from "typebox";
import type { Log } from "../admission/ports.ts";
import type { CounterView, Store } from "../ledger/store/store.ts";
import type { Metrics } from "../metrics.ts";
import { type CounterNames, counterKeyPrefix, counterNames } from "./counter-names.ts";
import { callStore } from "./store-call.ts";

const DEFAULT_MAX = 100;
const MAX_MAX = 1000;
/** Counters looked at for one answer; the store sorts and this filters, on the event loop. */
const MAX_SCANNED = 10_000;

const Query = Type.Object(
  {
    /** namespace/name, or the name alone. */
    policy: Type.Optional(Type.String()),
    /** Name of the limit in its policy. */
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

const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const Limit = Type.Object({
  policy: Type.String(),
  limitName: Type.String(),
  /** What the counter is for: values of the counter expressions, in their order. */
  counters: Type.Array(Type.String()),
  unit: Type.String({ enum: ["total", "input", "output", "requests", "usd"] }),
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
  metrics: Metrics;
  log: Log;
}

export function registerLimits(app: FastifyInstance, parts: LimitsParts): void {
  const schema = {
    summary: "Counters with used, held and remaining; usd in nano-USD",
    querystring: Query,
    response: { 200: Answer },
  };
  app.get<{ Querystring: Query }>("/v1/limits", { schema }, async ({ query }) => {
    const max = query.max ?? DEFAULT_MAX;
    const prefix = counterKeyPrefix(query.policy, query.limit);
    const views = await callStore(parts, () => parts.store.counters(prefix, MAX_SCANNED));
    const limits = views.flatMap((view) => {
      const names = counterNames(view.key);
      return names !== null && isAskedFor(names, query) ? [limitOf(names, view)] : [];
    });
    const truncated = limits.length > max || views.length === MAX_SCANNED;
    return { limits: limits.slice(0, max), truncated };
  });
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

function limitOf(names: CounterNames, view: CounterView): Static<typeof Limit> {
  return {
    policy: names.policy,
    limitName: names.limit,
    counters: names.counters,
    unit: view.unit,
    limit: view.limit,
    used: view.used,
    held: view.held,
    remaining: view.remaining,
    resetsAt: new Date(view.resetsAtMs).toISOString(),
  };
}
