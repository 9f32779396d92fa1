/** What the bench starts, and what the kernel says that it used. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import type { LoadAnswer, LoadJob, LoadResult } from "./load-job.ts";
import { BENCH_FOLDER } from "./project.ts";

/** proc(5): times in stat are in ticks of USER_HZ, which is 100 on every Linux. */
const TICKS_PER_SECOND = 100;
const START_DEADLINE_MS = 10_000;

/** A process whose CPU time and memory count. */
export interface Counted {
  name: string;
  pid: number;
}

/** CPU time since its start, user and system, all threads. 0 where it is gone. */
export function cpuSecondsOf(pid: number): number {
  const fields = afterName(`/proc/${pid}/stat`);
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / TICKS_PER_SECOND;
}

/** Resident memory now, in bytes. 0 where it is gone. */
export function memoryBytesOf(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** Fields of a stat file from the third on: the second, the name, may hold anything. */
function afterName(file: string): string[] {
  try {
    const stat = readFileSync(file, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return [];
  }
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

/** A script of the bench in a process of its own; it ends when this one does. */
async function startScript(name: string): Promise<ChildProcess> {
  const child = fork(join(BENCH_FOLDER, name), { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  await once(child, "spawn");
  return child;
}

/** The next message of a script. Throws when it ends first, or after `deadlineMs`. */
function messageOf(child: ChildProcess, deadlineMs: number): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const settled = (settle: () => void) => {
      clearTimeout(timer);
      child.off("message", onMessage);
      child.off("exit", onExit);
      settle();
    };
    const onMessage = (message: unknown) => settled(() => resolve(message));
    const failed = (how: string) => settled(() => reject(new Error(`${child.spawnfile} ${how}`)));
    const onExit = () => failed(`(process ${child.pid}) of the bench ended`);
    const timer = setTimeout(() => failed(`did not answer in ${deadlineMs} ms`), deadlineMs);
    child.on("message", onMessage);
    child.on("exit", onExit);
  });
}

export interface Upstream {
  port: number;
  pid: number;
  stop(): void;
}

export async function startUpstream(): Promise<Upstream> {
  const child = await startScript("upstream.js");
  const { port } = (await messageOf(child, START_DEADLINE_MS)) as { port: number };
  return { port, pid: child.pid as number, stop: () => child.kill("SIGKILL") };
}

export interface LoadGenerator {
  /** Throws where a connection cannot be opened. */
  run(job: LoadJob): Promise<LoadResult>;
  stop(): void;
}

export async function startLoadGenerator(): Promise<LoadGenerator> {
  const child = await startScript("load.js");
  const run = async (job: LoadJob): Promise<LoadResult> => {
    child.send(job);
    const answer = (await messageOf(child, job.durationMs + 2 * START_DEADLINE_MS)) as LoadAnswer;
    if ("error" in answer) throw new Error(answer.error);
    return answer.result;
  };
  return { run, stop: () => child.kill("SIGKILL") };
}
