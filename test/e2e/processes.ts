/** Processes by pid, read from /proc: who is whose child, and who still runs. */
import { readdirSync, readFileSync } from "node:fs";

interface ProcessStatus {
  parent: number;
  /** R, S, D, T (stopped), Z (ended, not yet waited for), … */
  state: string;
}

/** All descendants of a process, nearest first. */
export function childrenOf(pid: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync("/proc")) {
    const status = /^\d+$/.test(name) ? statusOf(Number(name)) : null;
    if (status !== null) parents.set(Number(name), status.parent);
  }
  const found = [pid];
  for (const each of found) {
    for (const [child, parent] of parents) if (parent === each) found.push(child);
  }
  return found.slice(1);
}

/** True while the process exists and has not ended. */
export function isRunning(pid: number): boolean {
  const status = statusOf(pid);
  return status !== null && status.state !== "Z" && status.state !== "X";
}

/** SIGKILL, for those that are still there. */
export function killAll(pids: number[]): void {
  for (const pid of pids) {
    if (isRunning(pid)) process.kill(pid, "SIGKILL");
  }
}

/** proc(5): /proc/pid/stat is `pid (name) state ppid …`, and a name may hold anything. */
function statusOf(pid: number): ProcessStatus | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const [state = "", parent = "0"] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return { state, parent: Number(parent) };
  } catch {
    return null;
  }
}
