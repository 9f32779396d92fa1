/** Kill -9 at random moments: what was acknowledged is there, exactly once. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { openEmbeddedStore } from "../../limitador-bridge/ledger/store/embedded.ts";
import { claims, heldEach, onExpiry, perExchange } from "./child/settle-loop.ts";
import { recordIds, settlement } from "./contract/fixture.ts";

const folder = await mkdtemp(join(tmpdir(), "tollgate-kill-"));
const children = new Set<ChildProcess>();
afterAll(async () => {
  for (const child of children) child.kill("SIGKILL");
  await rm(folder, { recursive: true, force: true });
});
const runner = new URL("./child/run-ts.mjs", import.meta.url).pathname;
const loop = new URL("./child/settle-loop.ts", import.meta.url).pathname;

interface Acknowledged {
  held: string[];
  settled: string[];
}

/** Runs the loop, kills it once it has printed so much, and reads what it printed. */
async function runAndKill(path: string, round: number, afterLines: number): Promise<Acknowledged> {
  const child = spawn(process.execPath, [runner, loop, path, String(round)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.add(child);
  let output = "";
  child.stdout.on("data", (chunk) => {
    output += chunk;
    if (output.split("\n").length > afterLines) child.kill("SIGKILL");
  });
  const signal = await new Promise((resolve) => child.once("close", (_, name) => resolve(name)));
  expect(signal).toBe("SIGKILL");
  // What follows the last line feed may be half a line.
  const lines = output.split("\n").slice(0, -1);
  const idsOf = (kind: string) =>
    lines.filter((line) => line.startsWith(kind)).map((line) => line.slice(2));
  return { held: idsOf("h "), settled: idsOf("s ") };
}

test("no acknowledged settlement or hold is lost, and none counts twice", async () => {
  const path = join(folder, "killed");
  const all: Acknowledged = { held: [], settled: [] };
  for (const [round, afterLines] of [20, 333, 1, 777, 111].entries()) {
    const { held, settled } = await runAndKill(path, round, afterLines);
    all.held.push(...held);
    all.settled.push(...settled);
  }
  expect(all.settled.length).toBeGreaterThan(400);

  const store = await openEmbeddedStore(path, { nowMs: () => Date.now() + 120_000 });
  const recorded = await recordIds(store, { limit: 1000 });
  const settled = new Set(recorded);
  expect(settled.size).toBe(recorded.length);
  expect(all.settled.filter((id) => !settled.has(id))).toEqual([]);

  // Counters say what records and holds say.
  const [before] = await store.counters("", 10);
  expect(before?.used).toBe(recorded.length * perExchange);
  const expired = await store.expire();
  expect(before?.held).toBe(expired.length * heldEach);
  const open = new Set(expired);
  expect(all.held.filter((id) => !settled.has(id) && !open.has(id))).toEqual([]);
  const [after] = await store.counters("", 10);
  expect(after).toMatchObject({
    used: recorded.length * perExchange + expired.length * onExpiry,
    held: 0,
  });

  const again = await store.settle(all.settled.slice(-200).map((id) => settlement(id, 1, claims)));
  expect(again.filter(({ duplicate }) => !duplicate)).toEqual([]);
  await store.close();
}, 60_000);
