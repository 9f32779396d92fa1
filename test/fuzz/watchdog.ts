/**
 * A filter that never returns would stop the test runner with it: no timer of this thread fires
 * any more. Another thread watches, says which input it was, and ends the process.
 */
import { Worker } from "node:worker_threads";

const HANG_MS = 60_000;
const CHECK_MS = 1000;

/** The worker's own program; it sees the number of the input and when it last changed. */
const PROGRAM = `
const { workerData } = require("node:worker_threads");
const input = new Int32Array(workerData.shared);
let last = -1;
let sinceMs = Date.now();
setInterval(() => {
  const now = Atomics.load(input, 0);
  if (now !== last) {
    last = now;
    sinceMs = Date.now();
  } else if (Date.now() - sinceMs > workerData.hangMs) {
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
  const workerData = { shared, name, seed, hangMs: HANG_MS, checkMs: CHECK_MS };
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
