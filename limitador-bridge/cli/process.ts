/** Child processes of the launcher: started in groups of their own, ended by pid. */
import { type ChildProcess, spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";

/** Between two tries whether a part answers. */
const POLL_MS = 20;
/** A process that cannot listen has ended by then. */
const SECOND_LOOK_MS = 200;

export interface Running {
  name: string;
  pid: number;
  /** Resolves with what ended it. */
  ended: Promise<string>;
  isRunning(): boolean;
  /** SIGTERM, then SIGKILL after `graceMs`. Resolves when it is gone. */
  stop(graceMs: number): Promise<void>;
}

/**
 * Starts a program whose output goes to ours. It is given a process group of its own, so that a
 * Ctrl-C in the terminal reaches the launcher alone, which ends the parts in the right order.
 */
export async function start(
  name: string,
  command: string,
  args: string[],
  env: NodeJS.ProcessEnv,
): Promise<Running> {
  const child = spawn(command, args, {
    env,
    stdio: ["ignore", "inherit", "inherit"],
    detached: true,
  });
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", (cause) => reject(new Error(`cannot start ${name}: ${cause.message}`)));
  });
  return running(name, child);
}

function running(name: string, child: ChildProcess): Running {
  const pid = child.pid as number;
  let alive = true;
  const ended = new Promise<string>((resolve) => {
    child.once("exit", (code, signal) => {
      alive = false;
      resolve(signal ? `signal ${signal}` : `exit code ${code}`);
    });
  });
  const stop = async (graceMs: number): Promise<void> => {
    if (!alive) return;
    child.kill("SIGTERM");
    const inTime = await Promise.race([
      ended.then(() => true),
      sleep(graceMs, false, { ref: false }),
    ]);
    if (inTime) return;
    child.kill("SIGKILL");
    await ended;
  };
  return { name, pid, ended, isRunning: () => alive, stop };
}

/** Throws where `part` has ended. */
export async function checkRunning(part: Running): Promise<void> {
  if (!part.isRunning()) throw new Error(`${part.name} ended by ${await part.ended}`);
}

/**
 * Throws where one of the parts has ended, or ends a little later: another process may be who
 * answered for one that finds its port taken.
 */
export async function checkStaying(parts: readonly Running[]): Promise<void> {
  await Promise.race([...parts.map(({ ended }) => ended), sleep(SECOND_LOOK_MS)]);
  for (const part of parts) await checkRunning(part);
}

/**
 * Waits until `url` answers 200; whether it was the part that did, see checkStaying.
 * @throws Error after `deadlineMs`, or as soon as `part` has ended
 */
export async function answers(part: Running, url: string, deadlineMs: number): Promise<void> {
  const until = Date.now() + deadlineMs;
  for (;;) {
    await checkRunning(part);
    try {
      const response = await fetch(url, { signal: AbortSignal.timeout(1000) });
      await response.arrayBuffer();
      if (response.ok) break;
    } catch {
      // Not listening yet; the deadline below says when that is an error.
    }
    if (Date.now() > until) throw new Error(`${part.name} is not ready after ${deadlineMs} ms`);
    await sleep(POLL_MS);
  }
  await checkRunning(part);
}
