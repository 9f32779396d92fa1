/** One group of a primary and two replicas, watched by one sentinel that may decide alone. */
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { afterAll, expect, test } from "vitest";
import { RedisStore } from "../../limitador-bridge/ledger/store/redis.ts";
import { claim, recordIds, reservation, settlement } from "./contract/fixture.ts";
import { freePort, startRedis } from "./redis/redis-server.ts";

const primary = await startRedis();
const replicaArgs = ["--replicaof", "127.0.0.1", String(primary.port)];
const replicas = await Promise.all([startRedis(replicaArgs), startRedis(replicaArgs)]);
const folder = await mkdtemp(join(tmpdir(), "tollgate-sentinel-"));
const sentinelPort = await freePort();
const configuration = join(folder, "sentinel.conf");
await writeFile(
  configuration,
  [
    `port ${sentinelPort}`,
    "bind 127.0.0.1",
    `dir ${folder}`,
    `sentinel monitor group 127.0.0.1 ${primary.port} 1`,
    "sentinel down-after-milliseconds group 500",
    "sentinel failover-timeout group 3000",
  ].join("\n"),
);
const sentinel = spawn("redis-server", [configuration, "--sentinel"], { stdio: "ignore" });
afterAll(async () => {
  sentinel.kill("SIGKILL");
  await Promise.all([primary, ...replicas].map((server) => server.stop()));
  await rm(folder, { recursive: true, force: true });
});

async function until(check: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await check().catch(() => false))) {
    if (Date.now() > deadline) throw new Error("not within 20 s");
    await sleep(50);
  }
}

async function untilWorks<T>(call: () => Promise<T>): Promise<T> {
  let result: { value: T } | undefined;
  await until(async () => {
    result = { value: await call() };
    return true;
  });
  return (result as { value: T }).value;
}

test("the primary is killed: the store goes on at the one that the sentinel names", async () => {
  const asking = new Redis({ port: sentinelPort, host: "127.0.0.1", retryStrategy: () => 50 });
  asking.on("error", () => {});
  await until(async () => {
    const found = (await asking.call("SENTINEL", "REPLICAS", "group")) as unknown[];
    return found.length === 2;
  });
  const url = `redis-sentinel://127.0.0.1:${sentinelPort}/group`;
  const store = new RedisStore(url, { timeoutMs: 2_000 });
  const roomy = claim({ limit: 1e9, reserve: 10, window: { kind: "fixed", lengthMs: 3_600_000 } });
  const settled: string[] = [];
  const exchange = async (id: string) => {
    await untilWorks(() => store.reserve(reservation(id, [roomy])));
    await untilWorks(() => store.settle([settlement(id, 3, [roomy])]));
    settled.push(id);
  };
  for (let n = 0; n < 50; n += 1) await exchange(`before${n}`);
  primary.signal("SIGKILL");
  for (let n = 0; n < 50; n += 1) await exchange(`after${n}`);
  expect(new Set(await recordIds(store))).toEqual(new Set(settled));
  expect(await store.counters("", 10)).toMatchObject([{ used: 300, held: 0 }]);
  await store.close();
  asking.disconnect();
}, 60_000);
