/** The check that nothing is left running can tell that something is. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";
import { freePorts } from "./harness.ts";
import { childrenOf, handleOf, isRunning, type ProcessHandle, signalAll } from "./processes.ts";

test("children and grandchildren are found, stopped ones run, killed ones do not", async () => {
  const script = 'sleep 60 & echo "$!"; wait';
  const shell = spawn("bash", ["-c", script], { stdio: ["ignore", "pipe", "ignore"] });
  const bash = handleOf(shell.pid as number) as ProcessHandle;
  try {
    const [line] = (await once(shell.stdout, "data")) as [Buffer];
    const sleeper = handleOf(Number(line.toString())) as ProcessHandle;
    expect(childrenOf(bash.pid)).toEqual([sleeper]);
    expect(childrenOf(process.pid)).toEqual(expect.arrayContaining([bash, sleeper]));
    signalAll([sleeper], "SIGSTOP");
    expect([bash, sleeper].map(isRunning)).toEqual([true, true]);
    signalAll([sleeper], "SIGKILL");
    await once(shell, "exit");
    expect([bash, sleeper].map(isRunning)).toEqual([false, false]);
    expect(handleOf(bash.pid)).toBe(null);
  } finally {
    shell.kill("SIGKILL");
  }
});

test("a process that got the pid of another is not taken for it", () => {
  const self = handleOf(process.pid) as ProcessHandle;
  expect(isRunning(self)).toBe(true);
  expect(isRunning({ ...self, startedTicks: "1" })).toBe(false);
});

test("free ports differ", async () => {
  expect(new Set(await freePorts(20)).size).toBe(20);
});
