/** GET /healthz, /readyz and /metrics. */
import type { FastifyInstance } from "fastify";
import Type from "typebox";
import type { Store } from "../ledger/store/store.ts";
import type { Metrics } from "../metrics.ts";
import type { PolicySet } from "../policy/policy-set.ts";
import type { LedgerState } from "../reconcile/ledger-metrics.ts";

/** A store that does not answer for so long cannot be reached. */
const PING_TIMEOUT_MS = 2_000;

const Health = Type.Object({ status: Type.Literal("ok") });
const Readiness = Type.Object({
  /** degraded: the store is away, and requests are decided as their policies say. */
  status: Type.Union([Type.Literal("ready"), Type.Literal("degraded"), Type.Literal("not_ready")]),
  reasons: Type.Array(Type.String()),
  /** Of a store that can be away. */
  store: Type.Optional(
    Type.Object({
      circuit: Type.Union([Type.Literal("closed"), Type.Literal("open")]),
      journaledBytes: Type.Integer(),
    }),
  ),
  policies: Type.Object({
    version: Type.String(),
    accepted: Type.Integer(),
    rejected: Type.Integer(),
  }),
});

export interface HealthParts {
  store: Pick<Store, "ping">;
  policies: () => PolicySet;
  metrics: Metrics;
  /** Of a store that this process can do without for a while; null: it cannot. */
  storeState?: () => LedgerState | null;
  pingTimeoutMs?: number;
}

export function registerHealth(app: FastifyInstance, parts: HealthParts): void {
  const health = { summary: "The process is alive", response: { 200: Health } };
  app.get("/healthz", { schema: health }, async () => ({ status: "ok" }));

  const readiness = {
    summary: "Policies are loaded, and the store can be reached or done without",
    response: { 200: Readiness, 503: Readiness },
  };
  app.get("/readyz", { schema: readiness }, async (_, reply) => {
    const reason = await storeProblem(parts.store, parts.pingTimeoutMs ?? PING_TIMEOUT_MS);
    const set = parts.policies();
    const statuses = set.status().filter((status) => status.ignored !== true);
    const accepted = statuses.filter((status) => status.accepted).length;
    const state = parts.storeState?.() ?? null;
    // Still asked by Envoy without its store: this process knows more than the filter.
    const status = reason === null ? "ready" : state === null ? "not_ready" : "degraded";
    return reply.code(status === "not_ready" ? 503 : 200).send({
      status,
      reasons: reason === null ? [] : [reason],
      ...(state === null
        ? {}
        : { store: { circuit: state.circuit, journaledBytes: state.journaledBytes } }),
      policies: { version: set.version, accepted, rejected: statuses.length - accepted },
    });
  });

  const exposition = { summary: "Prometheus metrics", response: { 200: Type.String() } };
  const config = { contentType: "text/plain" };
  app.get("/metrics", { schema: exposition, config }, async (_, reply) => {
    return reply.type(parts.metrics.contentType).send(await parts.metrics.text());
  });
}

/** Why the store cannot be used; null where it can. */
async function storeProblem(store: Pick<Store, "ping">, timeoutMs: number): Promise<string | null> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer in ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    await Promise.race([store.ping(), timeout]);
    return null;
  } catch (error) {
    return `store: ${(error as Error).message}`;
  } finally {
    clearTimeout(timer);
  }
}
