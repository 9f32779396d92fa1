/** The check that nothing is left running can tell that something is. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";
import { freePorts } from "./harness.ts";
import { childrenOf, isRunning, killAll } from "./processes.ts";

test("children and grandchildren are found, stopped ones run, killed ones do not", async () => {
  const script = 'sleep 60 & echo "$!"; wait';
  const shell = spawn("bash", ["-c", script], { stdio: ["ignore", "pipe", "ignore"] });
  const pid = shell.pid as number;
  try {
    const [line] = (await once(shell.stdout, "data")) as [Buffer];
    const sleeper = Number(line.toString());
    expect(childrenOf(pid)).toEqual([sleeper]);
    expect(childrenOf(process.pid)).toEqual(expect.arrayContaining([pid, sleeper]));
    process.kill(sleeper, "SIGSTOP");
    expect([isRunning(pid), isRunning(sleeper)]).toEqual([true, true]);
    killAll([sleeper]);
    await once(shell, "exit");
    expect([isRunning(pid), isRunning(sleeper)]).toEqual([false, false]);
    killAll([pid, sleeper]);
  } finally {
    shell.kill("SIGKILL");
  }
});

test("free ports differ", async () => {
  expect(new Set(await freePorts(20)).size).toBe(20);
});
