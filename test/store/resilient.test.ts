import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { MemoryStore } from "../../limitador-bridge/ledger/store/memory.ts";
import {
  openResilient,
  type ResilientOptions,
  type ResilientStore,
} from "../../limitador-bridge/ledger/store/resilient.ts";
import { StoreError } from "../../limitador-bridge/ledger/store/store-error.ts";
import { claim, record, recordIds, reservation, settlement } from "./contract/fixture.ts";
import { storeContract } from "./contract.ts";
import { Flaky, fast, unavailable, untilClosed } from "./flaky-store.ts";

const folder = await mkdtemp(join(tmpdir(), "tollgate-resilient-"));
afterAll(() => rm(folder, { recursive: true, force: true }));
let count = 0;
const nextPath = () => join(folder, String(++count));

storeContract("resilient memory", (options) => {
  const patient = { reserveTimeoutMs: 10_000, otherTimeoutMs: 10_000 };
  return openResilient(new MemoryStore(options), {
    journalPath: nextPath(),
    ...patient,
    ...options,
  });
});

const hour = { kind: "fixed", lengthMs: 3_600_000 } as const;
const limited = (reserve: number) => claim({ reserve, window: hour });

let flaky = new Flaky();
let path = "";
let store: ResilientStore;
let warnings: string[] = [];
let circuit: boolean[] = [];

async function open(options: Partial<ResilientOptions> = {}): Promise<ResilientStore> {
  store = await openResilient(flaky, {
    journalPath: path,
    ...fast,
    onWarning: (message) => warnings.push(message),
    onCircuit: (isOpen) => circuit.push(isOpen),
    ...options,
  });
  return store;
}

beforeEach(async () => {
  flaky = new Flaky();
  path = nextPath();
  warnings = [];
  circuit = [];
  await open();
});
afterEach(() => store.close());

describe("reserve while the store is away", () => {
  test("fails with what the last known counters say", async () => {
    await store.reserve(reservation("a", [limited(60)]));
    await store.settle([settlement("a", 50)]);
    await store.reserve(reservation("b", [limited(20)]));
    flaky.mode = "fails";
    const fits = await unavailable(store.reserve(reservation("c", [limited(30)])));
    expect(fits).toMatchObject({
      code: "unavailable",
      message: "store is away: connection refused",
      shadow: { admitted: true, counters: [{ used: 50, held: 50, remaining: 0 }] },
    });
    const over = await unavailable(store.reserve(reservation("d", [limited(1)])));
    expect(over.shadow).toMatchObject({ admitted: false, violated: [{ used: 50, held: 50 }] });
    // A settlement of before frees its hold in the shadow too.
    await store.settle([settlement("b", 5)]);
    const freed = await unavailable(store.reserve(reservation("e", [limited(15)])));
    expect(freed.shadow).toMatchObject({ admitted: true, counters: [{ used: 55, held: 45 }] });
  });

  test("takes no longer than the timeout, and no time once the circuit is open", async () => {
    flaky.mode = "hangs";
    const began = performance.now();
    const late = await unavailable(store.reserve(reservation("a", [limited(1)])));
    expect(performance.now() - began).toBeLessThan(50);
    expect(late.message).toBe("store is away: no answer in 30 ms");
    await unavailable(store.reserve(reservation("b", [limited(1)])));
    expect(circuit).toEqual([true]);
    const calls = flaky.calls;
    const again = performance.now();
    for (let n = 0; n < 100; n += 1) {
      await unavailable(store.reserve(reservation(`n${n}`, [limited(1)])));
    }
    // A hundred waits would be three seconds.
    expect(performance.now() - again).toBeLessThan(500);
    expect(flaky.calls - calls).toBeLessThanOrEqual(4);
    flaky.resume();
    await untilClosed(store);
    expect(circuit).toEqual([true, false]);
    expect(await store.reserve(reservation("z", [limited(1)]))).toMatchObject({ admitted: true });
  });

  test("a hold that comes too late is given back where the shadow denied it", async () => {
    await store.reserve(reservation("a", [limited(100)]));
    await flaky.release("a");
    flaky.mode = "hangs";
    const denied = await unavailable(store.reserve(reservation("late", [limited(40)])));
    expect(denied.shadow.admitted).toBe(false);
    const free = claim({ key: "free", reserve: 40, window: hour });
    const admitted = await unavailable(store.reserve(reservation("kept", [free])));
    expect(admitted.shadow.admitted).toBe(true);
    flaky.resume();
    await untilClosed(store);
    await sleep(20);
    expect(await flaky.counters("", 10)).toMatchObject([
      { key: "default/free/tokens/alice", held: 0 },
      { key: "free", held: 40 },
    ]);
  });

  test("a release waits for its decision to end, at the end of the process on disk", async () => {
    flaky.mode = "hangs";
    const claims = [claim({ key: "free", reserve: 40, window: hour })];
    await unavailable(store.reserve(reservation("ended", claims)));
    const calls = flaky.calls;
    const released = store.release("ended");
    await sleep(10);
    expect(flaky.calls).toBe(calls);
    flaky.resume();
    await released;
    expect(await flaky.counters("", 10)).toMatchObject([{ key: "free", used: 0, held: 0 }]);
    flaky.mode = "hangs";
    await unavailable(store.reserve(reservation("hanging", claims)));
    store.release("hanging");
    const inner = flaky;
    await store.close();
    inner.resume();
    await sleep(5);
    expect(await inner.counters("", 10)).toMatchObject([{ key: "free", held: 40 }]);
    await open();
    await untilClosed(store);
    expect(await flaky.counters("", 10)).toMatchObject([{ key: "free", used: 0, held: 0 }]);
  });

  test("too many at one time are refused at once", async () => {
    await store.close();
    await open({ maxInFlight: 2, reserveTimeoutMs: 5_000 });
    flaky.mode = "hangs";
    const waiting = [1, 2].map((n) => store.reserve(reservation(`w${n}`, [limited(1)])));
    await expect(store.reserve(reservation("over", [limited(1)]))).rejects.toMatchObject({
      code: "overloaded",
      message: "store: 2 decisions are waiting",
    });
    flaky.resume();
    await Promise.all(waiting);
    expect(await store.reserve(reservation("next", [limited(1)]))).toMatchObject({
      admitted: true,
    });
  });

  test("other errors are the caller's, and open no circuit", async () => {
    const bad = reservation("a", [claim({ reserve: -1 })]);
    for (let n = 0; n < 5; n += 1) {
      await expect(store.reserve(bad)).rejects.toMatchObject({ code: "invalid_input" });
    }
    expect(store.status()).toMatchObject({ circuit: "closed", journaledBytes: 0, inFlight: 0 });
  });
});

describe("settle while the store is away", () => {
  test("is journaled, and replayed exactly once when the store is back", async () => {
    await store.reserve(reservation("held", [limited(60)]));
    flaky.mode = "fails";
    const twice = settlement("held", 20);
    expect(await store.settle([twice])).toMatchObject([{ counters: [{ used: 20, held: 0 }] }]);
    await store.settle([twice]);
    await store.settle([settlement("unknown", 7, [limited(0)])]);
    await store.appendRecord(record("denied", { outcome: "denied" }));
    expect(await recordIds(flaky)).toEqual([]);
    expect(store.status().journaledBytes).toBeGreaterThan(1_000);
    flaky.mode = "works";
    await untilClosed(store);
    expect(await recordIds(flaky)).toEqual(["unknown", "held", "denied"]);
    expect(await flaky.counters("", 10)).toMatchObject([{ used: 27, held: 0 }]);
    expect(await readdir(path)).toEqual(["lock"]);
    expect(await store.settle([twice])).toMatchObject([{ duplicate: true }]);
  });

  test("a provisional one is corrected by one that was journaled, once", async () => {
    await store.reserve(reservation("a", [limited(60)]));
    await store.settle([{ ...settlement("a", 30), provisional: true }]);
    flaky.mode = "fails";
    const final = settlement("a", 12, [limited(0)]);
    expect(await store.settle([final])).toMatchObject([
      { duplicate: false, counters: [{ used: 12, held: 0 }] },
    ]);
    expect(await store.settle([final])).toMatchObject([{ duplicate: true }]);
    const guess = { ...settlement("b", 5, [limited(0)]), provisional: true };
    await store.settle([guess]);
    await store.settle([settlement("b", 3)]);
    flaky.mode = "works";
    await untilClosed(store);
    expect(await flaky.counters("", 10)).toMatchObject([{ used: 15, held: 0 }]);
    expect((await flaky.records({ limit: 10 })).records).toEqual([record("b"), record("a")]);
  });

  test("the shadow holds the first option that fits, as the store told it", async () => {
    await store.settle([settlement("spent", 95, [limited(0)])]);
    const dear = [limited(10)];
    const cheap = [limited(3)];
    expect(await store.reserve(reservation("a", dear, { alternatives: [cheap] }))).toMatchObject({
      option: 1,
      counters: [{ used: 95, held: 3 }],
    });
    flaky.mode = "fails";
    const last = await unavailable(
      store.reserve(reservation("b", dear, { alternatives: [cheap, [limited(2)]] })),
    );
    expect(last.shadow).toMatchObject({ admitted: true, option: 2, counters: [{ held: 5 }] });
  });

  test("a release is replayed too; one of an id that the store never saw is not", async () => {
    await store.reserve(reservation("held", [limited(60)]));
    flaky.mode = "fails";
    await store.release("held");
    await unavailable(store.reserve(reservation("x", [limited(1)])));
    expect(circuit).toEqual([true]);
    await unavailable(store.reserve(reservation("shadow", [limited(1)])));
    const bytes = store.status().journaledBytes;
    await store.release("shadow");
    expect(store.status().journaledBytes).toBe(bytes);
    flaky.mode = "works";
    await untilClosed(store);
    expect(await flaky.counters("", 10)).toMatchObject([{ held: 0 }]);
  });

  test("the next process replays what this one left, a torn last line apart", async () => {
    flaky.mode = "fails";
    const claims = [limited(0)];
    await Promise.all(
      Array.from({ length: 250 }, (_, n) => store.settle([settlement(`s${n}`, 2, claims)])),
    );
    await store.close();
    const [segment = ""] = (await readdir(path)).filter((name) => name.endsWith(".jsonl"));
    await appendFile(join(path, segment), '{"settle":{"id":"torn","amou');
    flaky.mode = "works";
    await open();
    await untilClosed(store);
    expect(await recordIds(flaky)).toHaveLength(250);
    expect(await flaky.counters("", 10)).toMatchObject([{ used: 500 }]);
    expect(warnings.filter((text) => text.includes("refused"))).toEqual([]);
  });

  test("the store goes away in the middle of the replay: the rest waits", async () => {
    flaky.mode = "fails";
    const claims = [limited(0)];
    await store.settle([settlement("a", 2, claims)]);
    await store.settle([settlement("b", 2, claims)]);
    const settle = flaky.settle.bind(flaky);
    let left = 1;
    flaky.settle = async (all) => {
      if (left-- === 1) {
        await settle(all);
        throw new StoreError("unavailable", "answer lost");
      }
      return settle(all);
    };
    flaky.mode = "works";
    await untilClosed(store);
    expect(left).toBeLessThan(0);
    expect(await flaky.counters("", 10)).toMatchObject([{ used: 4 }]);
    expect(await recordIds(flaky)).toEqual(["b", "a"]);
  });

  test("what the store refuses for good is set aside, the rest is settled", async () => {
    await store.close();
    const good = JSON.stringify({ settle: settlement("good", 2, [limited(0)]) });
    const bad = JSON.stringify({ settle: settlement("bad", -2, [limited(0)]) });
    await writeFile(join(path, "0000000007.jsonl"), `${bad}\nnonsense\n${good}\n`);
    await open();
    await untilClosed(store);
    expect(await recordIds(flaky)).toEqual(["good"]);
    const refused = (await readFile(join(path, "refused.jsonl"), "utf8")).trim().split("\n");
    expect(refused.map((line) => JSON.parse(line))).toEqual([
      { why: "amounts.total -2: expected an integer from 0 to 2^53 - 1", entry: JSON.parse(bad) },
      { why: "line is not JSON", unreadable: "nonsense" },
    ]);
    expect(warnings).toHaveLength(2);
  });

  test("a full journal refuses, and takes again after the replay", async () => {
    await store.close();
    await open({ maxJournalBytes: 1_000 });
    flaky.mode = "fails";
    const one = (id: string) => store.settle([settlement(id, 1, [limited(0)])]);
    await one("a");
    await expect(one("b")).rejects.toMatchObject({
      code: "unavailable",
      message: `journal ${path} is full (1000 bytes)`,
    });
    flaky.mode = "works";
    await untilClosed(store);
    flaky.mode = "fails";
    await one("b");
    flaky.mode = "works";
    await untilClosed(store);
    expect(await flaky.counters("", 10)).toMatchObject([{ used: 2 }]);
  });

  test("one journal serves one process", async () => {
    await expect(openResilient(new MemoryStore(), { journalPath: path })).rejects.toMatchObject({
      code: "locked",
    });
    await store.close();
    await writeFile(join(path, "lock"), "999999999");
    await open();
    expect(await readFile(join(path, "lock"), "utf8")).toBe(String(process.pid));
  });
});
