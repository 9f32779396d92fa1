/** The budget service's process: the only place that reads the environment and exits. */
import type { FastifyInstance } from "fastify";
import { type Logger, pino } from "pino";
import { createDenialRecords, type DenialRecords } from "./admission/denial-records.ts";
import { type InForce, keepInForce } from "./admission/in-force.ts";
import { createLogThrottle } from "./admission/log-throttle.ts";
import { createPrices, SERVICE_KINDS } from "./admission/price-source.ts";
import { buildApp } from "./app.ts";
import { type Config, ConfigError, readConfig } from "./config.ts";
import { createRatios } from "./estimate/ratios.ts";
import { openStore } from "./ledger/store/open-store.ts";
import type { Store } from "./ledger/store/store.ts";
import { StoreError } from "./ledger/store/store-error.ts";
import { createMetrics, type Metrics } from "./metrics.ts";
import { type LoadedPolicies, loadPolicies, problemText } from "./policy/load.ts";
import { loadCatalogue } from "./pricing/catalogue.ts";
import { type ExpiryJob, startExpiryJob } from "./settlement/expiry-job.ts";
import { learnRatios } from "./settlement/learn.ts";
import { CAPTURE } from "./usage/capture-pointers.ts";
import { interpretUsage } from "./usage/interpret.ts";

const LOAD = { kinds: SERVICE_KINDS };
const EXIT_FAILURE = 1;
const EXIT_BAD_CONFIG = 2;
/** After this a client that will not end its request no longer keeps the store from closing. */
const DRAIN_MS = 5_000;

/** A start that cannot be: each line is for the person who started it. */
class StartError extends Error {}

interface Running {
  app: FastifyInstance;
  store: Store;
  inForce: InForce;
  expiry: ExpiryJob;
  denialRecords: DenialRecords;
  log: Logger;
}

async function loadOrExplain(dir: string, log: Logger): Promise<LoadedPolicies> {
  const loaded = await loadPolicies(dir, LOAD);
  const { problems } = loaded;
  if (problems.length > 0) throw new StartError(problems.map(problemText).join("\n"));
  for (const warning of loaded.warnings)
    log.warn({ warning: problemText(warning) }, "not enforced");
  return loaded;
}

async function openOrExplain(url: string): Promise<Store> {
  try {
    return await openStore(url);
  } catch (error) {
    if (error instanceof StoreError) throw new StartError(error.message, { cause: error });
    throw error;
  }
}

function assemble(
  config: Config,
  store: Store,
  inForce: InForce,
  metrics: Metrics,
  log: Logger,
): { app: FastifyInstance; denialRecords: DenialRecords } {
  const ratios = createRatios();
  const denialRecords = createDenialRecords(store, metrics, log);
  const app = buildApp({
    store,
    policies: inForce.policies,
    prices: inForce.prices,
    ratios,
    interpret: (record) => interpretUsage(record, ratios),
    learn: (record, usage) => learnRatios(ratios, record, usage),
    capture: CAPTURE,
    metrics,
    log,
    throttle: createLogThrottle(Date.now),
    denialRecords,
    holdMs: config.holdMs,
    apiToken: config.apiToken,
    admitTimeoutMs: config.admitTimeoutMs,
    nowMs: Date.now,
  });
  return { app, denialRecords };
}

async function start(config: Config, log: Logger): Promise<Running> {
  const metrics = createMetrics({ defaults: true });
  const loaded = await loadOrExplain(config.policies, log);
  const store = await openOrExplain(config.store);
  const catalogue = await loadCatalogue();
  const inForce = keepInForce({
    dir: config.policies,
    initial: loaded,
    load: LOAD,
    makePrices: (policies) => createPrices(catalogue, policies),
    metrics,
    log,
  });
  const { app, denialRecords } = assemble(config, store, inForce, metrics, log);
  const expiry = startExpiryJob(store, metrics, log);
  const running = { app, store, inForce, expiry, denialRecords, log };
  try {
    const url = await app.listen({ host: config.host, port: config.apiPort });
    // Only the scheme: the rest of a store's URL may hold a password.
    const storeScheme = config.store.split(":", 1)[0];
    log.info({ url, store: storeScheme, policies: loaded.set.status().length }, "ready");
  } catch (error) {
    await stop(running);
    throw new StartError(`API_PORT ${config.apiPort}: ${(error as Error).message}`);
  }
  return running;
}

/** Answers what has begun, writes what waits, closes the store: nothing acknowledged is lost. */
async function stop({ app, store, inForce, expiry, denialRecords }: Running): Promise<void> {
  await inForce.close();
  const drain = setTimeout(() => app.server.closeAllConnections(), DRAIN_MS);
  await app.close();
  clearTimeout(drain);
  await expiry.stop();
  await denialRecords.flush();
  await store.close();
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
    stopOnSignals(await start(config, log));
  } catch (error) {
    if (!(error instanceof StartError) && !(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(EXIT_BAD_CONFIG);
  }
}

await main();
