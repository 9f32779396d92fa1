/** Processes, read from /proc: who is whose child, and who still runs. */
import { readdirSync, readFileSync } from "node:fs";

/** One process for ever: a pid alone may be another's a moment later. */
export interface ProcessHandle {
  pid: number;
  /** Clock ticks from boot to its start. */
  startedTicks: string;
}

interface ProcessStatus extends ProcessHandle {
  parent: number;
  /** R, S, D, T (stopped), Z (ended, not yet waited for), … */
  state: string;
}

/** The process that has this pid now; null where there is none. */
export function handleOf(pid: number): ProcessHandle | null {
  const status = statusOf(pid);
  return status === null ? null : { pid, startedTicks: status.startedTicks };
}

/** All descendants of a process, nearest first. */
export function childrenOf(pid: number): ProcessHandle[] {
  const all = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((name) => statusOf(Number(name)))
    .filter((status) => status !== null);
  const found: ProcessHandle[] = [];
  for (const parents = [pid]; parents.length > 0; ) {
    const parent = parents.shift();
    for (const { pid: child, parent: its, startedTicks } of all) {
      if (its !== parent) continue;
      found.push({ pid: child, startedTicks });
      parents.push(child);
    }
  }
  return found;
}

/** True while this very process exists and has not ended. */
export function isRunning({ pid, startedTicks }: ProcessHandle): boolean {
  const status = statusOf(pid);
  return status?.startedTicks === startedTicks && status.state !== "Z" && status.state !== "X";
}

/** Sends a signal to those that still run. */
export function signalAll(processes: ProcessHandle[], signal: NodeJS.Signals): void {
  for (const each of processes) {
    if (isRunning(each)) process.kill(each.pid, signal);
  }
}

/** proc(5): `pid (name) state ppid …`, start is field 22; a name may hold anything. */
function statusOf(pid: number): ProcessStatus | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [state = "", parent = "0"] = fields;
    return { pid, state, parent: Number(parent), startedTicks: fields[19] ?? "" };
  } catch {
    return null;
  }
}
