/** Counts tokens in a thread of its own, one job after the other: never on the event loop. */
import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import type { TokenCount, TokenJob } from "./token-worker.ts";
import type { Encoding } from "./token-worker-models.ts";

const MAX_TEXT_BYTES = 1024 * 1024;
const MAX_WAITING = 16;
/** For a caller to wait, and for a job to run. */
const TIMEOUT_MS = 5_000;
/** A tokenizer is made of a large table; callers that will not wait for that get no count. */
const LOAD_TIMEOUT_MS = 60_000;
const MAX_HEAP_MB = 512;
const WORKER = new URL(`./token-worker${extname(import.meta.url)}`, import.meta.url);

export interface TokenCounter {
  /** Tokens of all texts together; null where they cannot be counted (in time). */
  count(encoding: Encoding, texts: string[]): Promise<number | null>;
  /** Ends the thread; jobs under way give null. */
  close(): Promise<void>;
}

export interface TokenCounterOptions {
  /** Compiled token-worker. */
  worker?: URL;
  timeoutMs?: number;
  /** Told why the thread ended, when it was not asked to. */
  onFault?: (error: Error) => void;
}

/** Makes the counter; its thread starts with the first job. */
export function createTokenCounter(options: TokenCounterOptions = {}): TokenCounter {
  return new WorkerCounter(options);
}

interface Waiting {
  encoding: Encoding;
  texts: string[];
  /** Of the caller, who may have gone already. */
  resolve: (tokens: number | null) => void;
}

/** What the thread is doing; `waiting` null: it makes a tokenizer ready. */
interface Running {
  id: number;
  encoding: Encoding;
  waiting: Waiting | null;
  timer: NodeJS.Timeout;
}

class WorkerCounter implements TokenCounter {
  readonly #url: URL;
  readonly #timeoutMs: number;
  readonly #onFault: (error: Error) => void;
  #waiting: Waiting[] = [];
  #worker: Worker | null = null;
  readonly #ready = new Set<Encoding>();
  #running: Running | null = null;
  #lastId = 0;
  #isClosed = false;

  constructor({ worker = WORKER, timeoutMs = TIMEOUT_MS, onFault }: TokenCounterOptions) {
    this.#url = worker;
    this.#timeoutMs = timeoutMs;
    this.#onFault = onFault ?? (() => {});
  }

  count(encoding: Encoding, texts: string[]): Promise<number | null> {
    const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
    const isTooMuch = bytes > MAX_TEXT_BYTES || this.#waiting.length >= MAX_WAITING;
    if (isTooMuch || this.#isClosed) return Promise.resolve(null);
    return new Promise((resolve) => {
      const waiting: Waiting = { encoding, texts, resolve };
      const timer = setTimeout(() => {
        this.#waiting = this.#waiting.filter((each) => each !== waiting);
        resolve(null);
      }, this.#timeoutMs);
      waiting.resolve = (tokens) => {
        clearTimeout(timer);
        resolve(tokens);
      };
      this.#waiting.push(waiting);
      this.#next();
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const { resolve } of this.#waiting.splice(0)) resolve(null);
    this.#finish(null);
    await this.#drop();
  }

  #next(): void {
    const [first] = this.#waiting;
    if (this.#running !== null || first === undefined) return;
    const { encoding } = first;
    if (this.#ready.has(encoding)) {
      this.#waiting.shift();
      this.#run(encoding, first, this.#timeoutMs);
    } else this.#run(encoding, null, LOAD_TIMEOUT_MS);
  }

  #run(encoding: Encoding, waiting: Waiting | null, timeoutMs: number): void {
    this.#worker ??= this.#start();
    const id = ++this.#lastId;
    const onTimeout = () => this.#fail(new Error("counting takes too long"));
    this.#running = { id, encoding, waiting, timer: setTimeout(onTimeout, timeoutMs).unref() };
    this.#worker.postMessage({ id, encoding, texts: waiting?.texts ?? [] } satisfies TokenJob);
  }

  #start(): Worker {
    const worker = new Worker(this.#url, {
      resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
    });
    // A thread with nothing to do must not keep a process from ending.
    worker.unref();
    worker.on("message", ({ id, tokens }: TokenCount) => {
      const running = this.#running;
      if (running === null || id !== running.id) return;
      this.#ready.add(running.encoding);
      this.#finish(tokens);
    });
    worker.on("error", (error: Error) => {
      if (worker === this.#worker) this.#fail(error);
    });
    return worker;
  }

  /** Gives the current job up, and the thread with it: nothing else stops what it does. */
  #fail(error: Error): void {
    this.#onFault(error);
    void this.#drop();
    // Who waits for a tokenizer that cannot be made must not start it again at once.
    if (this.#running?.waiting === null) this.#waiting.shift()?.resolve(null);
    this.#finish(null);
  }

  #finish(tokens: number | null): void {
    const running = this.#running;
    if (running === null) return;
    clearTimeout(running.timer);
    this.#running = null;
    running.waiting?.resolve(tokens);
    this.#next();
  }

  async #drop(): Promise<void> {
    const worker = this.#worker;
    this.#worker = null;
    this.#ready.clear();
    await worker?.terminate();
  }
}
