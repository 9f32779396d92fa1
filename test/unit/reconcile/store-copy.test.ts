/** `tollgate store copy`: people begin embedded and move to Redis with counters intact. */
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { GrantBook } from "../../../limitador-bridge/budget/grants.ts";
import { reconcile } from "../../../limitador-bridge/cli/reconcile.ts";
import { storeCopy } from "../../../limitador-bridge/cli/store-copy.ts";
import { embeddedState } from "../../../limitador-bridge/config.ts";
import { openStore } from "../../../limitador-bridge/ledger/store/open-store.ts";
import type { LimitClaim, Store } from "../../../limitador-bridge/ledger/store/store.ts";
import type { Note, Notes } from "../../../limitador-bridge/notes/notes.ts";
import { openNotes } from "../../../limitador-bridge/notes/open-notes.ts";
import { counterKey, shardByOf } from "../../../limitador-bridge/policy/counter-key.ts";
import { claim, recordIds, reservation, settlement } from "../../store/contract/fixture.ts";
import { type RedisCluster, startCluster } from "../../store/redis/redis-cluster.ts";
import { type RedisServer, startRedis } from "../../store/redis/redis-server.ts";

const folder = await mkdtemp(join(tmpdir(), "tollgate-copy-"));
let redis: RedisServer;
let cluster: RedisCluster;
beforeAll(async () => {
  redis = await startRedis();
  cluster = await startCluster();
}, 60_000);
afterAll(async () => {
  await redis?.stop();
  await cluster?.stop();
  await rm(folder, { recursive: true, force: true });
});

const keyOf = (limit: string, user: string) => counterKey("default/llm", limit, "total", [user]);
const windows: LimitClaim["window"][] = [
  { kind: "fixed", lengthMs: 3_600_000 },
  { kind: "sliding", lengthMs: 3_600_000 },
  { kind: "calendar", period: "month", timeZone: "Asia/Tokyo", carryOver: { percent: 50 } },
];

/** Three limits of one user, and one for all. */
function claimsOf(user: string): LimitClaim[] {
  const keys = [keyOf("a", user), keyOf("b", user), keyOf("c", user), "default/llm/all/total/x"];
  return keys.map((key, index) =>
    claim({
      ...{ key, limit: 1e15, reserve: 50, onExpiry: 20, shardBy: shardByOf(key) },
      window: windows[index % 3] as LimitClaim["window"],
    }),
  );
}

async function fill(store: Store): Promise<void> {
  for (const user of ["ann", "bob", "cid"]) {
    const claims = claimsOf(user);
    for (const id of [`${user}-settled`, `${user}-held`, `${user}-provisional`]) {
      await store.reserve(reservation(id, claims, { holdMs: 600_000 }));
    }
    await store.settle([settlement(`${user}-settled`, 9_007_199_254_740, claims)]);
    await store.settle([{ ...settlement(`${user}-provisional`, 7, claims), provisional: true }]);
    await store.reserve(reservation(`${user}-expired`, claims, { holdMs: 1 }));
    await store.reserve(reservation(`${user}-lease`, claims, { parts: 7, holdMs: 600_000 }));
    const first = { ...settlement(`${user}-first`, 4, claims), lease: `${user}-lease` };
    await store.settle([first]);
  }
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect((await store.expire()).sort()).toEqual(["ann-expired", "bob-expired", "cid-expired"]);
}

function notesAt<T>(url: string, use: (notes: Notes) => Promise<T>): Promise<T> {
  const path = url.startsWith("embedded:") ? url.slice("embedded:".length) : null;
  const state = path === null ? null : embeddedState(path);
  const told: string[] = [];
  const opening = openNotes(url, state, Date.now, (warning) => told.push(warning));
  return opening.then(async (notes) => {
    const answer = await use(notes);
    await notes.close();
    expect(told).toEqual([]);
    return answer;
  });
}

/** A grant, and the mark of an alert; returns both. */
function grant(url: string): Promise<Note[]> {
  return notesAt(url, async (notes) => {
    const nowMs = Date.now();
    const times = { createdAtMs: nowMs, expiresAtMs: nowMs + 3_600_000 };
    const given = { team: "blue", amountNanoUsd: 5, reason: "r", author: "a" };
    await new GrantBook(notes).add({ ...given, ...times });
    await notes.add({ key: "alert/blue/2026-11/80", text: "x", expiresAtMs: nowMs + 60_000 });
    return notes.list("");
  });
}

/** What a store does with what was open when it was copied. */
async function goOn(store: Store) {
  const before = await store.counters("", 100);
  const results = [];
  for (const user of ["ann", "bob", "cid"]) {
    const claims = claimsOf(user);
    const of = (state: string) => settlement(`${user}-${state}`, 1, claims);
    const all = [of("settled"), of("held"), of("provisional"), of("expired"), of("first")];
    all.push({ ...of("second"), lease: `${user}-lease` });
    await store.shrink(`${user}-lease`, 5);
    results.push((await store.settle(all)).map(({ duplicate }) => duplicate));
  }
  const middle = await store.counters("", 100);
  for (const user of ["ann", "bob", "cid"]) await store.shrink(`${user}-lease`, 0);
  const after = await store.counters("", 100);
  return { before, results, middle, after, ids: (await recordIds(store)).sort() };
}

async function copy(from: string, to: string, ...flags: string[]): Promise<string[]> {
  const lines: string[] = [];
  expect(await storeCopy([from, to, ...flags], (line) => lines.push(line))).toBe(0);
  return lines;
}

test("embedded → Redis → Cluster → embedded; each goes on as the first would have", async () => {
  const embedded = (name: string) => `embedded:${join(folder, name)}`;
  const clustered = cluster.url("wait=1");
  const single = `redis://127.0.0.1:${redis.port}`;
  const first = await openStore(embedded("first"));
  await fill(first);
  await first.close();
  const notes = await grant(embedded("first"));
  const told = [
    "  10 counters: used 108086391057252, held 4200",
    "  6 holds",
    "  12 ids settled or expired in the last 25 hours",
    "  12 usage records: 34200 nano-USD",
    "  2 notes: grants, and alerts that were sent",
  ];
  expect(await copy(embedded("first"), single, "--dry-run")).toEqual(["would copy:", ...told]);
  expect(await redis.client.keys("*")).toEqual([]);
  await mkdir(join(folder, "empty"));
  for (const name of ["no", "empty"]) {
    const counted = await copy(embedded("first"), embedded(name), "--dry-run");
    expect(counted).toEqual(["would copy:", ...told]);
  }
  expect(existsSync(join(folder, "no"))).toBe(false);
  expect(await readdir(join(folder, "empty"))).toEqual([]);
  const done = ["copied, read again and found equal:", ...told];
  expect(await copy(embedded("first"), single)).toEqual(done);
  await expect(storeCopy([embedded("first"), single])).rejects.toThrow(
    "TO is not empty: expected an empty store, or --force",
  );
  expect(await copy(embedded("first"), single, "--force")).toEqual(done);
  expect(await copy(single, clustered)).toEqual(done);
  expect(await copy(clustered, embedded("last"))).toEqual(done);
  for (const url of [single, clustered, embedded("last")]) {
    expect(await notesAt(url, (each) => each.list(""))).toEqual(notes);
  }
  const lines: string[] = [];
  expect(await reconcile(["--store", single], {}, (line) => lines.push(line))).toBe(0);
  expect(lines).toEqual(["10 counters compared, 0 differ by more than 10 %"]);

  const expected = await goOn(await openStore(embedded("first")));
  expect(expected.results).toEqual(Array(3).fill([true, false, false, false, true, false]));
  // Of each lease four parts were left: three counters of each user, and one of all.
  const held = [...Array(9).fill(4 * 50), 3 * 4 * 50];
  expect(expected.middle.map((view) => view.held).sort((a, b) => a - b)).toEqual(held);
  expect(expected.after.map(({ held }) => held)).toEqual(Array(10).fill(0));
  for (const url of [single, clustered, embedded("last")]) {
    const store = await openStore(url);
    expect(await goOn(store)).toEqual(expected);
    await store.close();
  }
}, 60_000);

test("what is not a store to copy is refused", async () => {
  await expect(storeCopy(["memory:", "embedded:/nowhere"])).rejects.toThrow(
    "store copy: expected embedded:PATH or a redis URL, found memory:",
  );
  const none = `embedded:${join(folder, "none")}`;
  await expect(storeCopy([none, "embedded:/nowhere", "--dry-run"])).rejects.toThrow(
    `store copy: FROM: expected a store that is there, found ${none}`,
  );
  expect(existsSync(join(folder, "none"))).toBe(false);
  const lines: string[] = [];
  expect(await storeCopy(["a", "b", "--all"], (line) => lines.push(line))).toBe(2);
  expect(lines[0]).toContain("usage: tollgate store copy FROM TO");
});
