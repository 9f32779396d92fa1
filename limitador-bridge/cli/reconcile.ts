/** `tollgate reconcile`: compares the ledger with the usage records, and puts it right. */
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { parseCounterId } from "../ledger/counter.ts";
import { openStore } from "../ledger/store/open-store.ts";
import { parseRedisUrl } from "../ledger/store/redis/redis-url.ts";
import { windowTag } from "../ledger/window.ts";
import { ChargeSums, type WindowSum } from "../reconcile/charge-sums.ts";
import { type Compared, driftToTell } from "../reconcile/compare.ts";
import type { LogEntry } from "../reconcile/log-entry.ts";
import { comparePrometheus } from "../reconcile/prometheus.ts";
import { compareAll, correctAll, drifting } from "../reconcile/reconcile.ts";
import { readRecordLog } from "../reconcile/record-log.ts";
import { RedisRecovery } from "../reconcile/redis-recovery.ts";
import { isHelp } from "./command-io.ts";

const RECONCILE_USAGE = `usage: tollgate reconcile [options]
  [--store URL] [--records FOLDER]… [--dry-run | --apply]

  --store URL       the Redis that has the ledger (default: STORE)
  --records FOLDER  record logs (journal folders, JOURNAL of each service) that the ledger is
                    compared with and rebuilt from; without, what running services say
  --dry-run         only compare (default)
  --apply           give the store what it lacks, then correct counters that differ by over 10 %

Also compares with Prometheus where PROMETHEUS_URL is set. Exit code 1: something differs.`;

const MAX_SHOWN = 20;
const CHUNK = 500;
const DAY_MS = 86_400_000;
type Print = (line: string) => void;

interface Options {
  store: string;
  records: string[];
  apply: boolean;
}

/** Returns the exit code: 0 nothing differs (any more), 1 something does, 2 usage. */
export async function reconcile(
  args: string[],
  env: NodeJS.ProcessEnv,
  print: Print = console.log,
): Promise<number> {
  if (args.some(isHelp)) {
    print(RECONCILE_USAGE);
    return 0;
  }
  const options = readOptions(args, env);
  if (typeof options === "string") {
    print(`tollgate reconcile: ${options}\n\n${RECONCILE_USAGE}`);
    return 2;
  }
  if (options.store.startsWith("embedded:")) {
    print("nothing to do: an embedded store writes counters and usage records in one step");
    return 0;
  }
  const calls = new RedisRecovery(parseRedisUrl(options.store));
  try {
    await calls.ping();
    const differs = await reconcileWith(calls, options, print);
    const prometheus = env.PROMETHEUS_URL || null;
    const countsDiffer = prometheus !== null && (await tellPrometheus(prometheus, options, print));
    return differs || countsDiffer ? 1 : 0;
  } finally {
    await calls.close();
  }
}

/** The options, or what is wrong with them. */
function readOptions(args: string[], env: NodeJS.ProcessEnv): Options | string {
  const options: Options = { store: env.STORE ?? "", records: [], apply: false };
  for (let at = 0; at < args.length; at += 1) {
    const [flag, value] = [args[at], args[at + 1]];
    if (flag === "--apply") options.apply = true;
    else if (flag === "--dry-run") options.apply = false;
    else if (flag !== "--store" && flag !== "--records") return `unknown option "${flag}"`;
    else if (value === undefined) return `${flag}: expected a value behind it`;
    else {
      if (flag === "--store") options.store = value;
      else options.records.push(value);
      at += 1;
    }
  }
  if (args.includes("--apply") && args.includes("--dry-run")) {
    return "--apply and --dry-run: expected one of them, found both";
  }
  return options.store === "" ? "--store, or the variable STORE: expected a store's URL" : options;
}

async function reconcileWith(
  calls: RedisRecovery,
  { records, apply }: Options,
  print: Print,
): Promise<boolean> {
  const folders = (await Promise.all(records.map(logFolders))).flat();
  const { lacking, sums } = await readLogs(calls, folders, apply);
  if (folders.length > 0) {
    const what = apply ? "given to the store" : "lacking in the store";
    print(`${lacking} entries of ${folders.length} record logs ${what}`);
  }
  const given = folders.length > 0 ? sums : undefined;
  const wrong = drifting(tellCompared(await compareAll(calls, given), print));
  if (!apply || wrong.length === 0) return wrong.length > 0 || (lacking > 0 && !apply);
  await correctAll(calls, wrong);
  print(`${wrong.length} counters corrected`);
  return drifting(await compareAll(calls, given)).length > 0;
}

/** A journal folder has a log for each store that it was used with. */
async function logFolders(folder: string): Promise<string[]> {
  const candidates = [folder, join(folder, "records")];
  for (const name of await readdir(folder)) {
    candidates.push(join(folder, name, "records"));
  }
  const found = candidates.filter((path) => existsSync(join(path, "replica")));
  if (found.length === 0) throw new Error(`--records ${folder}: there is no record log in it`);
  return found;
}

/** Looks up every entry, and restores what lacks where that is asked for. */
async function readLogs(
  calls: RedisRecovery,
  folders: string[],
  restore: boolean,
): Promise<{ lacking: number; sums: WindowSum[] }> {
  const charged = new ChargeSums();
  let lacking = 0;
  let chunk: LogEntry[] = [];
  const flush = async () => {
    const unknown = await calls.unknownIn(chunk);
    for (const [index, entry] of chunk.entries()) {
      const shards = unknown[index] ?? [];
      // Ids are forgotten after a day: of what is older, the record says that it was charged.
      const isOld = entry.at < Date.now() - DAY_MS;
      if (shards.length === 0 || (isOld && (await calls.isRecorded(entry)))) continue;
      if (restore ? await calls.restore(entry, shards) : !(await calls.isRecorded(entry))) {
        lacking += 1;
      }
    }
    chunk = [];
  };
  for (const folder of folders) {
    for await (const entry of readRecordLog(folder, 0)) {
      if (entry.kind !== "settled" || !entry.again) charged.add(entry, Date.now());
      chunk.push(entry);
      if (chunk.length === CHUNK) await flush();
    }
  }
  await flush();
  return { lacking, sums: charged.takeChanged(Date.now()) };
}

function tellCompared(compared: Compared[], print: Print): Compared[] {
  const wrong = drifting(compared);
  print(`${compared.length} counters compared, ${wrong.length} differ by more than 10 %`);
  for (const { counterId, startMs, ledger, records, drift } of compared.slice(0, MAX_SHOWN)) {
    if (drift === 0) break;
    const { key, unit, window } = parseCounterId(counterId);
    const since = new Date(startMs).toISOString();
    const percent = (drift * 100).toFixed(1);
    print(`  ${key} (${unit}, ${windowTag(window)}, since ${since})`);
    print(`    ledger ${ledger}, usage records ${records}: ${percent} %`);
  }
  return compared;
}

async function tellPrometheus(url: string, { store }: Options, print: Print): Promise<boolean> {
  const ledger = await openStore(store);
  try {
    const teams = await comparePrometheus(url, ledger, Date.now());
    const wrong = teams.filter(({ drift }) => drift > driftToTell);
    print(`${teams.length} teams compared with Prometheus, ${wrong.length} differ by over 10 %`);
    for (const { team, recordsNanoUsd, prometheusNanoUsd } of wrong) {
      print(`  ${team}: usage records ${recordsNanoUsd}, Prometheus ${prometheusNanoUsd} nano-USD`);
    }
    return wrong.length > 0;
  } finally {
    await ledger.close();
  }
}
