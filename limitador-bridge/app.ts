/** The HTTP application: every resource on one fastify instance. */
import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from "fastify";
import type { AdmissionParts } from "./admission/case.ts";
import { registerAdmit } from "./api/admit.ts";
import { bearerCheck } from "./api/auth.ts";
import { registerBudgets } from "./api/budgets.ts";
import { answerClientError, answerError, installErrorHandlers } from "./api/error-handlers.ts";
import { registerEstimate } from "./api/estimate.ts";
import { type CaptureLists, registerFilterConfig } from "./api/filter-config.ts";
import { registerFilterWasm } from "./api/filter-wasm.ts";
import { type GrantsParts, registerGrants } from "./api/grants.ts";
import { registerHealth } from "./api/health.ts";
import { registerLimits } from "./api/limits.ts";
import { collectRoutes, registerOpenApi } from "./api/openapi.ts";
import { registerPolicies } from "./api/policies.ts";
import { registerPrices } from "./api/prices.ts";
import { registerSettle } from "./api/settle.ts";
import { registerSpend } from "./api/spend.ts";
import { registerUsage } from "./api/usage.ts";
import { validatorCompiler } from "./api/validation.ts";
import { type ChargeListeners, tellingStore } from "./budget/telling-store.ts";
import type { TokenCounter } from "./estimate/token-worker-pool.ts";
import { LeaseGranter } from "./lease/grant.ts";
import type { Store } from "./ledger/store/store.ts";
import type { LedgerState } from "./reconcile/ledger-metrics.ts";
import type { SettlementParts } from "./settlement/settle.ts";
import { registerStatusPage } from "./web/status-page.ts";

/** A batch of settlements with many attributes; far below what would block the event loop. */
const BODY_LIMIT_BYTES = 8 * 1024 * 1024;
const REQUEST_TIMEOUT_MS = 30_000;
/** As long as Node's headers may be: how long a name may be is said by the route's schema. */
const PARAM_LIMIT_CHARS = 16 * 1024;
const API_VERSION = "0.1.0";

/** Everything that the application is made of. */
export interface Parts
  extends Omit<AdmissionParts, "store" | "shapes" | "log" | "grants" | "leases">,
    Omit<SettlementParts, "store" | "log" | "grants">,
    Pick<GrantsParts, "grants" | "audit">,
    ChargeListeners {
  store: Store;
  capture: CaptureLists;
  log: FastifyBaseLogger;
  apiToken: string | null;
  admitTimeoutMs: number;
  /** See HealthParts. */
  storeState?: () => LedgerState | null;
  /** See EstimateParts. */
  tokens?: TokenCounter;
  /** The compiled filter's file. */
  wasm?: string;
}

/** Builds the application; the caller listens and closes. */
export function buildApp(parts: Parts): FastifyInstance {
  const app = Fastify({
    loggerInstance: parts.log.child({}, { level: httpLogLevel(parts.log.level) }),
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: BODY_LIMIT_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    // A client names its headers, and one named like these must not make the filter's call fail.
    onProtoPoisoning: "remove",
    onConstructorPoisoning: "ignore",
    frameworkErrors: answerError,
    clientErrorHandler: answerClientError,
    routerOptions: { maxParamLength: PARAM_LIMIT_CHARS },
    // Else fastify loads compilers of its own, which those set below replace.
    schemaController: { compilersFactory: { buildValidator: notUsed, buildSerializer: notUsed } },
  });
  // Every body is JSON; what says that it is something else gets 415.
  app.removeContentTypeParser("text/plain");
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(() => (answer) => JSON.stringify(answer));
  app.addHook("onRequest", bearerCheck(parts.apiToken));
  const routes = collectRoutes(app);
  installErrorHandlers(app, routes);

  const leases = new LeaseGranter(parts);
  registerAdmit(app, { ...parts, shapes: parts.capture, leases });
  registerSettle(app, { ...parts, store: tellingStore(parts) });
  registerFilterConfig(app, parts);
  if (parts.wasm !== undefined) registerFilterWasm(app, parts.wasm);
  registerPolicies(app, parts.policies);
  registerLimits(app, parts);
  registerBudgets(app, parts);
  registerGrants(app, parts);
  registerUsage(app, parts);
  registerSpend(app, parts);
  registerEstimate(app, parts);
  registerPrices(app, parts);
  registerHealth(app, parts);
  registerOpenApi(app, routes, API_VERSION);
  registerStatusPage(app);
  return app;
}

function notUsed(): never {
  throw new Error("compilers are set by buildApp");
}

/** The framework's own lines at "info" say nothing that the service does not. */
function httpLogLevel(level: string): string {
  return level === "info" ? "warn" : level;
}
