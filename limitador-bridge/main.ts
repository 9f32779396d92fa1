/** The budget service's process: the only place that reads the environment and exits. */
import type { FastifyInstance } from "fastify";
import { type Logger, pino } from "pino";
import { createDenialRecords, type DenialRecords } from "./admission/denial-records.ts";
import { type InForce, keepInForce, type WatchedFolder } from "./admission/in-force.ts";
import { createLogThrottle } from "./admission/log-throttle.ts";
import { createPrices, PRICE_KINDS, SERVICE_KINDS } from "./admission/price-source.ts";
import { type AlertConfig, readAlertConfig } from "./alerts/config.ts";
import { startForecastJob } from "./alerts/forecast-job.ts";
import { buildApp } from "./app.ts";
import { auditedObjects } from "./audit/policy-changes.ts";
import { readBudgets } from "./budget/budget-state.ts";
import {
  openServiceBudgets,
  type ServiceBudgetOptions,
  type ServiceBudgets,
} from "./budget/service-budgets.ts";
import { type Config, ConfigError, readConfig } from "./config.ts";
import { createOutputLengths } from "./estimate/output-lengths.ts";
import { createRatios } from "./estimate/ratios.ts";
import { createTokenCounter } from "./estimate/token-worker-pool.ts";
import { StoreError } from "./ledger/store/store-error.ts";
import { createMetrics, type Metrics } from "./metrics.ts";
import type { PeriodicJob } from "./periodic-job.ts";
import { fallibleLimits } from "./policy/fallible-limits.ts";
import type { PolicyKind } from "./policy/kinds/kind.ts";
import { loadPolicies, problemText } from "./policy/load.ts";
import { loadCatalogue } from "./pricing/catalogue.ts";
import { openServiceLedger } from "./reconcile/service-ledger.ts";
import { startExpiryJob } from "./settlement/expiry-job.ts";
import { learnRatios } from "./settlement/learn.ts";
import { CAPTURE } from "./usage/capture-pointers.ts";
import { interpretUsage } from "./usage/interpret.ts";
import { outputTotal } from "./usage/normal-form.ts";

const EXIT_FAILURE = 1;
const EXIT_BAD_CONFIG = 2;
/** After this a client that will not end its request no longer keeps the store from closing. */
const DRAIN_MS = 5_000;

type Ledger = Awaited<ReturnType<typeof openServiceLedger>>;

/** A start that cannot be: each line is for the person who started it. */
class StartError extends Error {}

interface Running {
  app: FastifyInstance;
  ledger: Ledger;
  budgets: ServiceBudgets;
  inForce: InForce;
  expiry: PeriodicJob;
  forecasts: PeriodicJob;
  denialRecords: DenialRecords;
  log: Logger;
}

async function loadOrExplain(
  dir: string,
  kinds: readonly PolicyKind[],
  log: Logger,
): Promise<WatchedFolder> {
  const initial = await loadPolicies(dir, { kinds });
  const { problems, warnings } = initial;
  if (problems.length > 0) throw new StartError(problems.map(problemText).join("\n"));
  for (const warning of warnings) log.warn({ warning: problemText(warning) }, "policy warning");
  return { dir, initial, load: { kinds } };
}

async function openOrExplain(config: Config, metrics: Metrics, log: Logger) {
  try {
    return await openServiceLedger(config, metrics, log);
  } catch (error) {
    if (error instanceof StoreError) throw new StartError(error.message, { cause: error });
    throw error;
  }
}

async function openBudgetsOrExplain(options: ServiceBudgetOptions, metrics: Metrics, log: Logger) {
  try {
    return await openServiceBudgets(options, metrics, log);
  } catch (error) {
    if (options.state === null) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new StartError(`STATE ${options.state}: cannot be used: ${why}`, { cause: error });
  }
}

function assemble(
  config: Config,
  { store, state }: Ledger,
  { grants, audit, onBudgetAlert, onCharged }: ServiceBudgets,
  inForce: InForce,
  metrics: Metrics,
  log: Logger,
): { app: FastifyInstance; denialRecords: DenialRecords } {
  const ratios = createRatios();
  const lengths = createOutputLengths();
  const denialRecords = createDenialRecords(store, metrics, log);
  const app = buildApp({
    store,
    storeState: state,
    policies: inForce.policies,
    prices: inForce.prices,
    ratios: {
      ...ratios,
      usualOutputTokens: lengths.usual,
      outputBytesPerToken: (model) => ratios.get(model).output,
    },
    tokens: createTokenCounter({
      onFault: (error) => log.error({ err: error }, "token counter failed"),
    }),
    grants,
    audit,
    onBudgetAlert,
    onCharged,
    interpret: (record) => interpretUsage(record, ratios),
    learn(record, usage) {
      const { model, choices } = record.llm;
      lengths.observe(model, outputTotal(usage.tokens) / Math.max(1, choices));
      learnRatios(ratios, metrics, record, usage);
    },
    capture: CAPTURE,
    metrics,
    log,
    throttle: createLogThrottle(Date.now),
    denialRecords,
    holdMs: config.holdMs,
    apiToken: config.apiToken,
    admitTimeoutMs: config.admitTimeoutMs,
    wasm: config.wasm,
    nowMs: Date.now,
  });
  return { app, denialRecords };
}

async function start(config: Config, alerts: AlertConfig, log: Logger): Promise<Running> {
  const metrics = createMetrics({ defaults: true, genAi: config.genAiMetrics });
  const policies = await loadOrExplain(config.policies, SERVICE_KINDS, log);
  const prices =
    config.prices === null ? null : await loadOrExplain(config.prices, PRICE_KINDS, log);
  const ledger = await openOrExplain(config, metrics, log);
  const budgets = await openBudgetsOrExplain({ ...config, alerts }, metrics, log);
  ledger.tellAlerts(budgets.raise);
  const catalogue = await loadCatalogue();
  const inForce = keepInForce({
    policies,
    prices,
    makePrices: (...loaded) => createPrices({ catalogue, policies: loaded[0], prices: loaded[1] }),
    onInForce(documents) {
      budgets.policyAudit.inForce(auditedObjects(documents));
      metrics.followLimits(fallibleLimits(documents));
    },
    metrics,
    log,
  });
  const { app, denialRecords } = assemble(config, ledger, budgets, inForce, metrics, log);
  const expiry = startExpiryJob(ledger.store, metrics, log);
  if (config.store.startsWith("embedded:")) budgets.learnSpending(ledger.store);
  const forecasts = startForecastJob({
    read: () =>
      readBudgets({
        store: ledger.store,
        budgets: inForce.policies().budgets,
        grants: budgets.grants,
        nowMs: Date.now(),
      }),
    raise: budgets.raise,
    log,
    nowMs: Date.now,
  });
  const running = { app, ledger, budgets, inForce, expiry, forecasts, denialRecords, log };
  try {
    const url = await app.listen({ host: config.host, port: config.apiPort });
    // Only the scheme: the rest of a store's URL may hold a password.
    const storeScheme = config.store.split(":", 1)[0];
    log.info({ url, store: storeScheme, policies: policies.initial.documents.length }, "ready");
  } catch (error) {
    await stop(running);
    const where = `HOST ${config.host}, API_PORT ${config.apiPort}`;
    throw new StartError(`${where}: ${(error as Error).message}`);
  }
  return running;
}

/** Answers what has begun, writes what waits, closes the store: nothing acknowledged is lost. */
async function stop(running: Running): Promise<void> {
  const { app, ledger, budgets, inForce, expiry, forecasts, denialRecords } = running;
  await inForce.close();
  const drain = setTimeout(() => app.server.closeAllConnections(), DRAIN_MS);
  await app.close();
  clearTimeout(drain);
  await expiry.stop();
  await forecasts.stop();
  await denialRecords.flush();
  await budgets.close();
  await ledger.close();
}

function stopOnSignals(running: Running): void {
  const { log } = running;
  let isStopping = false;
  const onSignal = async (signal: string) => {
    if (isStopping) process.exit(EXIT_FAILURE);
    isStopping = true;
    log.info({ signal }, "stopping");
    try {
      await stop(running);
      log.info("stopped");
      process.exit(0);
    } catch (error) {
      log.fatal({ err: error }, "not stopped cleanly");
      process.exit(EXIT_FAILURE);
    }
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
}

async function main(): Promise<void> {
  let log: Logger | undefined;
  process.on("uncaughtException", (error) => {
    log?.fatal({ err: error }, "uncaught exception");
    if (log === undefined) process.stderr.write(`${error.stack}\n`);
    process.exit(EXIT_FAILURE);
  });
  try {
    const config = readConfig(process.env);
    log = pino({ name: "tollgate", level: config.logLevel });
    stopOnSignals(await start(config, readAlertConfig(process.env), log));
  } catch (error) {
    if (!(error instanceof StartError) && !(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(EXIT_BAD_CONFIG);
  }
}

/** Fulfilled when the service is ready. */
export const started = main();
