/**
 * A filter that never returns would stop the test runner with it: no timer of this thread fires
 * any more. Another thread watches, says which input it was, and ends the process.
 */
import { Worker } from "node:worker_threads";

/** Of CPU time, so that a busy or paused machine is no hang. */
const HANG_CPU_MS = 30_000;
/** What waits for ever takes no CPU time. */
const HANG_CHECKS = 300;
const CHECK_MS = 1000;

/** The worker's own program; it sees the number of the input and when it last changed. */
const PROGRAM = `
const { workerData } = require("node:worker_threads");
const input = new Int32Array(workerData.shared);
const cpuMs = () => process.cpuUsage().user / 1000;
let last = -1;
let checks = 0;
let sinceMs = cpuMs();
setInterval(() => {
  const now = Atomics.load(input, 0);
  checks++;
  if (now !== last) {
    last = now;
    checks = 0;
    sinceMs = cpuMs();
  } else if (cpuMs() - sinceMs > workerData.cpuMs || checks > workerData.checks) {
    const what = "hang: SEED=" + workerData.seed + " CORPUS=" + workerData.name;
    require("node:fs").writeSync(2, what + " INPUT=" + now + "\\n");
    process.kill(process.pid, "SIGKILL");
  }
}, workerData.checkMs);
`;

export interface Watchdog {
  /** The input with this number begins. */
  enter: (index: number) => void;
  stop: () => void;
}

export function startWatchdog(name: string, seed: number): Watchdog {
  const shared = new SharedArrayBuffer(4);
  const input = new Int32Array(shared);
  const limits = { cpuMs: HANG_CPU_MS, checks: HANG_CHECKS, checkMs: CHECK_MS };
  const workerData = { shared, name, seed, ...limits };
  const worker = new Worker(PROGRAM, { eval: true, workerData });
  worker.unref();
  return {
    enter: (index) => {
      Atomics.store(input, 0, index);
    },
    stop: () => {
      void worker.terminate();
    },
  };
}
