/** On a cluster one primary loses its part, and gets back that part alone. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { reconcile } from "../../../limitador-bridge/cli/reconcile.ts";
import { type Ledger, openLedger } from "../../../limitador-bridge/reconcile/open-ledger.ts";
import { claim, recordIds, reservation, settlement } from "../../store/contract/fixture.ts";
import { type RedisCluster, startCluster } from "../../store/redis/redis-cluster.ts";

let cluster: RedisCluster;
let folder: string;
beforeAll(async () => {
  cluster = await startCluster();
  folder = await mkdtemp(join(tmpdir(), "tollgate-cluster-"));
}, 60_000);
afterAll(async () => {
  await cluster?.stop();
  await rm(folder, { recursive: true, force: true });
});

const USERS = 12;
/** Each request is counted for its user and for all, which are in shards of their own. */
const claimsOf = (n: number) =>
  ["all", `user-${n % USERS}`].map((key) =>
    claim({ key, limit: 1e6, window: { kind: "fixed", lengthMs: 3_600_000 } }),
  );
const used = async ({ store }: Ledger) =>
  (await store.counters("", 100)).map((view) => [view.key, view.used]);

test("FLUSHALL of one primary, then of all with nobody there but the command", async () => {
  let restored = 0;
  const url = cluster.url("wait=1");
  const ledger = await openLedger(url, {
    ...{ journal: folder, decisionTimeoutMs: 2_000, nowMs: Date.now },
    ...{ onCircuit: () => {}, onWarning: () => {}, onLost: () => {} },
    onRestored: (entries) => {
      restored += entries;
    },
    onLogFailure: (error) => {
      throw error;
    },
  });
  for (let n = 0; n < 60; n += 1) {
    await ledger.store.reserve(reservation(`id-${n}`, claimsOf(n)));
    await ledger.store.settle([settlement(`id-${n}`, n, claimsOf(n))]);
  }
  const before = await used(ledger);
  expect(before.find(([key]) => key === "all")).toEqual(["all", 1770]);
  await sleep(500);
  const primary = await cluster.primaryOf(0);
  await primary.client.flushall();
  const deadline = Date.now() + 10_000;
  while (restored === 0 || ledger.state()?.circuit === "open") {
    if (Date.now() > deadline) throw new Error("nothing restored in 10 s");
    await sleep(50);
  }
  // While it is being rebuilt, a store says that it is away.
  await vi.waitFor(() => ledger.store.ping(), { timeout: 10_000 });
  expect(await used(ledger)).toEqual(before);
  expect(await recordIds(ledger.store)).toHaveLength(60);
  await ledger.close();

  for (const slot of [0, 8_000, 16_000]) {
    await (await cluster.primaryOf(slot)).client.flushall();
  }
  const command = async (...flags: string[]) => {
    const lines: string[] = [];
    const code = await reconcile(["--store", url, "--records", folder, ...flags], {}, (line) =>
      lines.push(line),
    );
    return { code, first: lines[0], second: lines[1] };
  };
  expect(await command("--dry-run")).toEqual({
    code: 1,
    first: "60 entries of 1 record logs lacking in the store",
    // user-0 to user-11 and all
    second: "13 counters compared, 13 differ by more than 10 %",
  });
  const fine = "13 counters compared, 0 differ by more than 10 %";
  expect(await command("--apply")).toEqual({
    code: 0,
    first: "60 entries of 1 record logs given to the store",
    second: fine,
  });
  expect(await command()).toEqual({
    code: 0,
    first: "0 entries of 1 record logs lacking in the store",
    second: fine,
  });
}, 60_000);

test("what the command cannot do, it says", async () => {
  const lines: string[] = [];
  const print = (line: string) => lines.push(line);
  expect(await reconcile(["--store", "embedded:./data"], {}, print)).toBe(0);
  expect(lines.pop()).toContain("nothing to do: an embedded store");
  const refused = async (args: string[], env: Record<string, string>, why: string) => {
    expect(await reconcile(args, env, print)).toBe(2);
    expect(lines.pop()).toMatch(`tollgate reconcile: ${why}\n\nusage: tollgate reconcile`);
  };
  await refused([], {}, "--store, or the variable STORE: expected a store's URL");
  await refused(["--aply"], { STORE: "redis://x" }, 'unknown option "--aply"');
  await refused(["--store"], {}, "--store: expected a value behind it");
  const both = "--apply and --dry-run: expected one of them, found both";
  await refused(["--apply", "--dry-run"], { STORE: "redis://x" }, both);
  await expect(reconcile(["--store", "foo"], {}, print)).rejects.toThrow(
    "redis url: expected one of redis://HOST",
  );
  expect(await reconcile(["--help"], {}, print)).toBe(0);
  expect(lines.pop()).toMatch(/^usage: tollgate reconcile/);
  const empty = await mkdtemp(join(folder, "empty-"));
  const none = ["--store", cluster.url("wait=0"), "--records", empty];
  await expect(reconcile(none, {}, print)).rejects.toThrow("there is no record log in it");
});
