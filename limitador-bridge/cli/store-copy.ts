/** `tollgate store copy FROM TO`: moves a ledger to another store, counters and all. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { embeddedState } from "../config.ts";
import { openEmbeddedTransfer } from "../ledger/store/embedded-transfer.ts";
import { parseRedisUrl } from "../ledger/store/redis/redis-url.ts";
import { isUnusedRedis, openRedisTransfer } from "../ledger/store/redis-transfer.ts";
import { copyStore, type Tally, type TransferStore } from "../ledger/store/transfer.ts";
import { copyNotes } from "../notes/copy-notes.ts";
import { openNotes } from "../notes/open-notes.ts";
import { shardByOf } from "../policy/counter-key.ts";
import type { WindowSum } from "../reconcile/charge-sums.ts";
import { RedisRecovery } from "../reconcile/redis-recovery.ts";

const EMBEDDED = "embedded:";
/** Every LevelDB folder has it. */
const LEVEL_FILE = "CURRENT";

export const STORE_COPY_USAGE = `usage: tollgate store copy FROM TO [--dry-run] [--force]

  FROM, TO   embedded:PATH, redis://…, rediss://…, redis-sentinel://…, redis-cluster://…
  --dry-run  only count what would be copied, make nothing at TO
  --force    write also where TO has something already; rows of FROM win

An embedded store's notes (grants, alerts that were sent) are those in PATH/state.

Stop the services that use FROM or TO first: what they change meanwhile is not copied.`;

/** Returns the exit code: 0 copied, 2 usage. Throws where something cannot be copied. */
export async function storeCopy(
  args: string[],
  print: (line: string) => void = console.log,
): Promise<number> {
  const flags = args.filter((arg) => arg.startsWith("--"));
  const [from, to, ...others] = args.filter((arg) => !arg.startsWith("--"));
  const unknown = flags.find((flag) => flag !== "--dry-run" && flag !== "--force");
  if (from === undefined || to === undefined || others.length > 0 || unknown !== undefined) {
    print(STORE_COPY_USAGE);
    return 2;
  }
  const dryRun = flags.includes("--dry-run");
  checkThere(from);
  const source = await open(from);
  try {
    const target = dryRun && (await isUnused(to)) ? NOTHING : await open(to);
    try {
      const copied = await copyStore(source, target, { dryRun, force: flags.includes("--force") });
      if (!dryRun && to.startsWith("redis")) await publishCopied(to, target);
      const notes = await transferNotes(from, dryRun ? null : to, print);
      for (const line of report(copied, notes, dryRun)) print(line);
      return 0;
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

/** Opening makes an empty store of a name with a slip, and to copy nothing looks like success. */
function checkThere(url: string): void {
  const path = url.startsWith(EMBEDDED) ? url.slice(EMBEDDED.length) : null;
  if (path === null || existsSync(path)) return;
  throw new Error(`store copy: FROM: expected a store that is there, found ${url}`);
}

/** Whether opening it would make it. */
async function isUnused(url: string): Promise<boolean> {
  if (url.startsWith(EMBEDDED)) return !existsSync(join(url.slice(EMBEDDED.length), LEVEL_FILE));
  return url.startsWith("redis") && (await isUnusedRedis(url));
}

/** What stands for a store that is not there. */
const NOTHING: TransferStore = {
  async *rows() {},
  write: async () => {},
  close: async () => {},
};

/** @param to null: only counts. Returns how many notes FROM has. */
async function transferNotes(
  from: string,
  to: string | null,
  print: (line: string) => void,
): Promise<number> {
  const warn = (message: string) => print(`warning: ${message}`);
  const folder = notesFolder(from);
  const isThere = folder !== null && existsSync(folder);
  const source = await openNotes(from, isThere ? folder : null, Date.now, warn);
  try {
    if (to === null) return await copyNotes(source, null);
    const target = await openNotes(to, notesFolder(to), Date.now, warn);
    try {
      return await copyNotes(source, target);
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

function notesFolder(url: string): string | null {
  return url.startsWith(EMBEDDED) ? embeddedState(url.slice(EMBEDDED.length)) : null;
}

function open(url: string): Promise<TransferStore> {
  if (url.startsWith(EMBEDDED)) return openEmbeddedTransfer(url.slice(EMBEDDED.length));
  if (url.startsWith("redis")) return openRedisTransfer(url, shardByOf);
  const scheme = url.split(":", 1)[0];
  throw new Error(`store copy: expected embedded:PATH or a redis URL, found ${scheme}:`);
}

/** Reconciliation knows what was charged elsewhere by this. */
async function publishCopied(url: string, target: TransferStore): Promise<void> {
  const sums: WindowSum[] = [];
  for await (const row of target.rows()) {
    if (row.kind !== "counter") break;
    sums.push({ counterId: row.id, startMs: row.state.startMs, sum: row.state.used });
  }
  const calls = new RedisRecovery(parseRedisUrl(url));
  try {
    await calls.publish("copied", sums);
  } finally {
    await calls.close();
  }
}

function report(copied: Tally, notes: number, dryRun: boolean): string[] {
  const { counters, used, held, holds, ended, records, costNanoUsd } = copied;
  return [
    dryRun ? "would copy:" : "copied, read again and found equal:",
    `  ${counters} counters: used ${used}, held ${held}`,
    `  ${holds} holds`,
    `  ${ended} ids settled or expired in the last 25 hours`,
    `  ${records} usage records: ${costNanoUsd} nano-USD`,
    `  ${notes} notes: grants, and alerts that were sent`,
  ];
}
