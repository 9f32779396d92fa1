/** A Redis Cluster of three primaries and three replicas on loopback, for tests. */
import { execFile } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { type RedisServer, startRedis } from "./redis-server.ts";

const run = promisify(execFile);

export interface RedisCluster {
  servers: RedisServer[];
  /** `redis-cluster://…` with these query parameters. */
  url(query: string): string;
  /** The server that is primary of a slot now. */
  primaryOf(slot: number): Promise<RedisServer>;
  /** Moves a slot to another primary, key by key, as redis-cli does. */
  moveSlot(slot: number): Promise<void>;
  stop(): Promise<void>;
}

export async function startCluster(): Promise<RedisCluster> {
  const args = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000"];
  const servers = await Promise.all(Array.from({ length: 6 }, () => startRedis(args)));
  const addresses = servers.map(({ port }) => `127.0.0.1:${port}`);
  const create = ["--cluster", "create", ...addresses, "--cluster-replicas", "1", "--cluster-yes"];
  await run("redis-cli", create);
  await untilSettled(servers);
  const primaryOf = (slot: number) => findPrimary(servers, slot);
  return {
    servers,
    url: (query) => `redis-cluster://${addresses.slice(0, 3).join(",")}?${query}`,
    primaryOf,
    moveSlot: (slot) => moveSlot(servers, slot),
    stop: async () => {
      await Promise.all(servers.map((server) => server.stop()));
    },
  };
}

/** Every node knows of six nodes, three of them replicas in step, and the cluster is ok. */
async function untilSettled(servers: RedisServer[]): Promise<void> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const states = await Promise.all(
      servers.map(async ({ client }) => {
        const info = String(await client.cluster("INFO"));
        const replication = await client.info("replication");
        const inStep = /role:master|master_link_status:up/.test(replication);
        const nodes = String(await client.cluster("NODES"));
        const replicas = nodes.split("\n").filter((line) => line.includes("slave")).length;
        return info.includes("cluster_state:ok") && inStep && replicas === 3;
      }),
    );
    if (states.every(Boolean)) return;
    if (Date.now() > deadline) throw new Error("the cluster did not settle in 20 s");
    await sleep(100);
  }
}

interface Node {
  id: string;
  port: number;
  primary: boolean;
  hasSlot(slot: number): boolean;
}

async function nodesOf({ client }: RedisServer): Promise<Node[]> {
  const lines = String(await client.cluster("NODES"))
    .trim()
    .split("\n");
  return lines.map((line) => {
    const [id = "", address = "", flags = "", , , , , , ...slots] = line.split(" ");
    return {
      id,
      port: Number(/:(\d+)@/.exec(address)?.[1]),
      primary: flags.includes("master") && !flags.includes("fail"),
      hasSlot: (slot) =>
        slots.some((range) => {
          const [from = Number.NaN, to = from] = range.split("-").map(Number);
          return from <= slot && slot <= to;
        }),
    };
  });
}

async function findPrimary(servers: RedisServer[], slot: number): Promise<RedisServer> {
  for (const server of servers) {
    const nodes = await nodesOf(server).catch(() => []);
    const owner = nodes.find((node) => node.primary && node.hasSlot(slot));
    const found = servers.find(({ port }) => port === owner?.port);
    if (found !== undefined) return found;
  }
  throw new Error(`no primary of slot ${slot}`);
}

async function moveSlot(servers: RedisServer[], slot: number): Promise<void> {
  const source = await findPrimary(servers, slot);
  const nodes = await nodesOf(source);
  const from = nodes.find(({ port }) => port === source.port) as Node;
  const to = nodes.find((node) => node.primary && node.port !== source.port) as Node;
  const target = servers.find(({ port }) => port === to.port) as RedisServer;
  await target.client.cluster("SETSLOT", slot, "IMPORTING", from.id);
  await source.client.cluster("SETSLOT", slot, "MIGRATING", to.id);
  for (;;) {
    const keys = (await source.client.cluster("GETKEYSINSLOT", slot, 5)) as string[];
    if (keys.length === 0) break;
    await source.client.call(
      ...(["MIGRATE", "127.0.0.1", String(to.port), "", "0", "5000", "KEYS", ...keys] as const),
    );
    // Slowly, so that a load meets the slot half moved.
    await sleep(5);
  }
  const primaries = nodes.filter(({ primary }) => primary).map(({ port }) => port);
  // The target first, as the Redis Cluster tutorial has it.
  primaries.sort((a, b) => Number(b === to.port) - Number(a === to.port));
  for (const port of primaries) {
    const server = servers.find((one) => one.port === port) as RedisServer;
    await server.client.cluster("SETSLOT", slot, "NODE", to.id);
  }
}
