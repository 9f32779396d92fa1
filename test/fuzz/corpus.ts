/** Runs a corpus: seeded, bounded in number and time, and each failure can be had again alone. */
import { expect } from "vitest";
import { createRandom, inputSeed, type Random } from "./random.ts";
import { startWatchdog } from "./watchdog.ts";

/** What `make test` runs; `make fuzz` sets RUNS. */
const SLICE_RUNS = 2000;
const SLICE_SEED = 2026;
const MAX_FAILURES = 5;
/** One input takes some milliseconds of CPU time. */
const SLOW_CPU_MS = 5000;
/** Share of the inputs after which memory must not grow any more. */
const WARM_UP = 0.25;

const runs = number("RUNS", SLICE_RUNS);
const seed = number("SEED", SLICE_SEED);
const minutes = number("MINUTES", 30);
const onlyCorpus = process.env.CORPUS;
const onlyInput = process.env.INPUT;

/** A variable that is no number would run nothing, and find nothing. */
function number(name: string, preset: number): number {
  const text = process.env[name] ?? String(preset);
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new Error(`${name}: expected a whole number, got "${text}"`);
}

export interface Corpus<State> {
  name: string;
  /** Share of all inputs, in percent. */
  percent: number;
  start(): State;
  /** Throws when something does not hold that must. */
  run(state: State, random: Random): void | Promise<void>;
  /** Size of the filter's memory. */
  memoryBytes?(state: State): number;
  /** Looks at everything that the inputs have left behind. */
  finish?(state: State): void | Promise<void>;
}

/** Is this corpus asked for? CORPUS= names a single one. */
export function isWanted(name: string): boolean {
  return onlyCorpus === undefined || onlyCorpus === name;
}

/** Runs the corpus' share of RUNS, prints what came of it, and fails where anything did. */
export async function runCorpus<State>(corpus: Corpus<State>): Promise<void> {
  const { name, percent } = corpus;
  const [first, count] = inputsOf(percent);
  const warm = first + Math.ceil((count - first) * WARM_UP);
  const untilMs = Date.now() + (minutes * 60_000 * percent) / 100;
  const watchdog = startWatchdog(name, seed);
  const failures: string[] = [];
  let state = corpus.start();
  let before = 0;
  let index = first;
  for (; index < count && failures.length < MAX_FAILURES && Date.now() < untilMs; index++) {
    if (index === warm) before = corpus.memoryBytes?.(state) ?? 0;
    watchdog.enter(index);
    const started = process.cpuUsage();
    try {
      await corpus.run(state, createRandom(inputSeed(seed, name, index)));
      const tookMs = process.cpuUsage(started).user / 1000;
      if (tookMs > SLOW_CPU_MS) throw new Error(`took ${Math.round(tookMs)} ms of CPU time`);
    } catch (error) {
      failures.push(describeFailure(name, index, error));
      // A trap ends a module, and an exchange that was left alone would disturb the next.
      state = corpus.start();
      before = 0;
    }
  }
  watchdog.stop();
  if (failures.length === 0) await corpus.finish?.(state);
  const after = corpus.memoryBytes?.(state) ?? 0;
  print(name, index - first, failures, before, after);
  expect(failures.join("\n\n")).toBe("");
  expect(index, `inputs in the time that MINUTES=${minutes} gives`).toBe(count);
  if (before > 0) expect(after, "memory after warm-up and at the end").toBe(before);
}

function inputsOf(percent: number): [first: number, end: number] {
  if (onlyInput !== undefined) return [Number(onlyInput), Number(onlyInput) + 1];
  return [0, Math.max(1, Math.round((runs * percent) / 100))];
}

function describeFailure(name: string, index: number, error: unknown): string {
  const { message, stack = "" } = error as Error;
  const where = stack.split("\n").find((line) => line.includes("/test/fuzz/")) ?? "";
  const again = `make fuzz SEED=${seed} CORPUS=${name} INPUT=${index}`;
  return `${message.slice(0, 1500)}\n${where.trim()}\nonce more: ${again}`;
}

function print(
  name: string,
  inputs: number,
  failures: string[],
  before: number,
  after: number,
): void {
  const traps = failures.filter((text) => text.startsWith("trap ")).length;
  const memory = after > 0 ? `, memory ${before >> 10} KiB before, ${after >> 10} KiB after` : "";
  const told = `${inputs} inputs, ${traps} traps, ${failures.length} failures${memory}`;
  console.log(`${name.padEnd(24)} ${told} (SEED=${seed})`);
}
