/** redis-server processes for tests: on free loopback ports, in temporary folders, ended by pid. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { afterAll } from "vitest";

export interface RedisServer {
  port: number;
  pid: number;
  /** For questions of the test itself. */
  client: Redis;
  signal(name: "SIGSTOP" | "SIGCONT" | "SIGKILL"): void;
  stop(): Promise<void>;
  /** The same folder and port again, after stop or kill. */
  restart(): Promise<RedisServer>;
}

const startTimeoutMs = 10_000;
/** What a test that failed has not stopped. */
const running = new Map<ChildProcess, string>();

afterAll(async () => {
  for (const [child, folder] of running) {
    await ended(child);
    await rm(folder, { recursive: true, force: true });
  }
});

export function requireRedisServer(): void {
  const { error } = spawnSync("redis-server", ["--version"]);
  if (error !== undefined) {
    throw new Error("redis-server is not installed: run `apt-get install -y redis-server`");
  }
}

/** A port that is free, and whose number + 10000 (Redis Cluster's bus) is one too. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = await new Promise<number>((resolve, reject) => {
      const server = createServer();
      server.once("error", reject);
      server.listen(0, "127.0.0.1", () => {
        const address = server.address();
        const found = typeof address === "object" && address !== null ? address.port : 0;
        server.close(() => resolve(found));
      });
    });
    if (port <= 55_000) return port;
    // The system hands out high ports: move down, out of the range it takes them from.
    return port - 30_000 > 1024 ? port - 30_000 : port;
  }
}

/** Starts a server and waits until it answers. */
export async function startRedis(args: string[] = [], port?: number): Promise<RedisServer> {
  requireRedisServer();
  const folder = await mkdtemp(join(tmpdir(), "tollgate-redis-"));
  return startIn(folder, port ?? (await freePort()), args);
}

async function startIn(folder: string, port: number, args: string[]): Promise<RedisServer> {
  const child = spawn(
    "redis-server",
    [
      ...["--port", String(port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""],
      ...["--appendonly", "yes", "--appendfsync", "everysec", "--daemonize", "no", ...args],
    ],
    { stdio: "ignore" },
  );
  running.set(child, folder);
  const client = new Redis({ port, host: "127.0.0.1", lazyConnect: true, retryStrategy: () => 50 });
  client.on("error", () => {});
  await answering(client, child, port);
  const stop = async () => {
    client.disconnect();
    await ended(child);
    running.delete(child);
  };
  return {
    port,
    pid: child.pid as number,
    client,
    signal: (name) => {
      child.kill(name);
    },
    stop: async () => {
      await stop();
      await rm(folder, { recursive: true, force: true });
    },
    restart: async () => {
      await stop();
      return startIn(folder, port, args);
    },
  };
}

async function answering(client: Redis, child: ChildProcess, port: number): Promise<void> {
  const deadline = Date.now() + startTimeoutMs;
  for (;;) {
    if (child.exitCode !== null) throw new Error(`redis-server on port ${port} ended at once`);
    try {
      await client.ping();
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await sleep(20);
    }
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  // A stopped process takes no signal but this one.
  child.kill("SIGCONT");
  await gone;
}
