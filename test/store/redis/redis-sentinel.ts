/** A group of a primary and two replicas, watched by one sentinel that may decide alone. */
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { freePort, type RedisServer, startRedis } from "./redis-server.ts";

export interface RedisSentinel {
  primary: RedisServer;
  url: string;
  stop(): Promise<void>;
}

const groupDeadlineMs = 20_000;

/** Starts all of it, and waits until the sentinel knows both replicas. */
export async function startSentinel(): Promise<RedisSentinel> {
  const primary = await startRedis();
  const replicaArgs = ["--replicaof", "127.0.0.1", String(primary.port)];
  const replicas = await Promise.all([startRedis(replicaArgs), startRedis(replicaArgs)]);
  const folder = await mkdtemp(join(tmpdir(), "tollgate-sentinel-"));
  const port = await freePort();
  const configuration = join(folder, "sentinel.conf");
  const lines = [
    `port ${port}`,
    "bind 127.0.0.1",
    `dir ${folder}`,
    `sentinel monitor group 127.0.0.1 ${primary.port} 1`,
    "sentinel down-after-milliseconds group 500",
    "sentinel failover-timeout group 3000",
  ];
  await writeFile(configuration, lines.join("\n"));
  const sentinel = spawn("redis-server", [configuration, "--sentinel"], { stdio: "ignore" });
  const stop = async () => {
    sentinel.kill("SIGKILL");
    await Promise.all([primary, ...replicas].map((server) => server.stop()));
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await untilGrouped(port, replicas);
  } catch (error) {
    await stop();
    throw error;
  }
  return { primary, url: `redis-sentinel://127.0.0.1:${port}/group`, stop };
}

/** The sentinel knows both replicas, and they have what the primary has. */
async function untilGrouped(port: number, replicas: RedisServer[]): Promise<void> {
  const asking = new Redis({ port, host: "127.0.0.1", retryStrategy: () => 50 });
  asking.on("error", () => {});
  const isGrouped = async () => {
    const found = (await asking.call("SENTINEL", "REPLICAS", "group")) as unknown[];
    const told = await Promise.all(replicas.map(({ client }) => client.info("replication")));
    return found.length === 2 && told.every((text) => text.includes("master_link_status:up"));
  };
  const deadline = Date.now() + groupDeadlineMs;
  try {
    while (!(await isGrouped().catch(() => false))) {
      if (Date.now() > deadline) throw new Error(`no group in ${groupDeadlineMs} ms`);
      await sleep(50);
    }
  } finally {
    asking.disconnect();
  }
}
