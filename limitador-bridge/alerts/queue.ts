/**
 * From an alert that is raised to its delivery: once for each key, with retries, and never on the
 * way of a request.
 */
import type { Log } from "../admission/ports.ts";
import type { Alert } from "./alert.ts";
import type { DeadLetters } from "./dead-letters.ts";
import { type AlertMarks, MemoryMarks } from "./mark.ts";
import { SendError, type Sender } from "./sender.ts";

/** Clocks of replicas differ; a key outlives its alert by more than that. */
const KEY_MARGIN_MS = 3_600_000;
/** Longer than all attempts take. Where a replica was killed meanwhile, another sends it then. */
const SENDING_MS = 20 * 60_000;
/** How often is looked whether an alert that another replica took was sent. */
const LOOK_AGAIN_MS = 60_000;

export type AlertResult = "sent" | "failed" | "dead";

export interface AlertQueueOptions {
  /** Attempts for one alert at one receiver. */
  maxAttempts: number;
  /** Alerts that wait for one receiver. */
  maxWaiting: number;
  /** Before the second attempt; doubled for each further one. */
  firstRetryMs: number;
  maxRetryMs: number;
}

/** Ten attempts within about a quarter of an hour. */
export const QUEUE_PRESET: AlertQueueOptions = {
  maxAttempts: 10,
  maxWaiting: 1000,
  firstRetryMs: 1000,
  maxRetryMs: 240_000,
};

export interface AlertQueueParts {
  senders: readonly Sender[];
  marks: AlertMarks;
  deadLetters: DeadLetters;
  /** Counts an attempt ("sent", "failed") or an alert that is given up ("dead"). */
  count: (sender: string, result: AlertResult) => void;
  log: Log;
  nowMs: () => number;
  options?: Partial<AlertQueueOptions>;
}

export class AlertQueue {
  readonly #parts: AlertQueueParts;
  readonly #lanes: Lane[];
  readonly #raised: MemoryMarks;
  /** Being taken, to be sent. */
  readonly #beginning = new Set<Promise<void>>();
  /** With the lanes, then being marked as sent. */
  readonly #sending = new Set<Promise<void>>();

  constructor(parts: AlertQueueParts) {
    this.#parts = parts;
    this.#raised = new MemoryMarks(parts.nowMs);
    const options = { ...QUEUE_PRESET, ...parts.options };
    this.#lanes = parts.senders.map((sender) => new Lane(sender, parts, options));
  }

  /**
   * Sends the alert, unless one with its key was sent. Returns at once and never throws: cheap
   * enough to be called with every request over a threshold.
   */
  raise(alert: Alert): void {
    if (this.#raised.mark(alert.key, this.#ttlMs(alert))) {
      keepWhileRunning(this.#beginning, this.#begin(alert));
    }
  }

  /** Resolves when all that was raised is delivered or given up. */
  async flush(): Promise<void> {
    await Promise.all(this.#beginning);
    await Promise.all(this.#lanes.map((lane) => lane.flush()));
    await Promise.all(this.#sending);
  }

  /** Makes one last attempt for what waits; the rest goes to the dead letters. */
  async close(): Promise<void> {
    await Promise.all(this.#beginning);
    await Promise.all(this.#lanes.map((lane) => lane.close()));
    await Promise.all(this.#sending);
  }

  async #begin(alert: Alert): Promise<void> {
    const { key, name, severity, summary } = alert;
    const { marks, log } = this.#parts;
    try {
      const found = await marks.begin(key, SENDING_MS);
      if (found === "taken") this.#raised.set(key, LOOK_AGAIN_MS);
      if (found !== "ours") return;
    } catch (error) {
      // Told by every replica is better than told by none.
      log.error({ err: error, key }, "alert not marked: replicas may repeat it");
    }
    log.warn({ key, name, severity, summary }, "alert");
    keepWhileRunning(this.#sending, this.#send(alert));
  }

  async #send(alert: Alert): Promise<void> {
    const { key } = alert;
    const { marks, log } = this.#parts;
    const areKept = await Promise.all(this.#lanes.map((lane) => lane.add(alert)));
    if (areKept.includes(false)) {
      this.#raised.set(key, SENDING_MS);
      return;
    }
    try {
      await marks.end(key, this.#ttlMs(alert));
    } catch (error) {
      log.error({ err: error, key }, "alert not marked as sent: replicas may repeat it");
    }
  }

  #ttlMs({ endsAtMs }: Alert): number {
    return Math.max(0, endsAtMs - this.#parts.nowMs()) + KEY_MARGIN_MS;
  }
}

function keepWhileRunning(running: Set<Promise<void>>, job: Promise<void>): void {
  const kept = job.finally(() => running.delete(kept));
  running.add(kept);
}

/** An alert that waits for a receiver, and who waits for what becomes of it. */
interface Waiting {
  alert: Alert;
  /** See Lane.add. */
  done: (isKept: boolean) => void;
}

/** Alerts on their way to one receiver, one after the other. */
class Lane {
  readonly #sender: Sender;
  readonly #parts: AlertQueueParts;
  readonly #options: AlertQueueOptions;
  readonly #waiting: Waiting[] = [];
  #running: Promise<void> | null = null;
  #isClosing = false;
  /** While closing, what has failed once is not waited for with each further alert. */
  #isAway = false;
  #wake: () => void = () => {};

  constructor(sender: Sender, parts: AlertQueueParts, options: AlertQueueOptions) {
    this.#sender = sender;
    this.#parts = parts;
    this.#options = options;
  }

  /** Resolves when the alert is delivered or a dead letter; false: it is neither. */
  add(alert: Alert): Promise<boolean> {
    if (this.#waiting.length >= this.#options.maxWaiting) {
      return this.#bury(alert, 0, "too many alerts are waiting");
    }
    const added = new Promise<boolean>((done) => this.#waiting.push({ alert, done }));
    this.#running ??= this.#run();
    return added;
  }

  async flush(): Promise<void> {
    while (this.#running !== null) await this.#running;
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    this.#wake();
    await this.flush();
  }

  async #run(): Promise<void> {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      next.done(await this.#deliver(next.alert));
    }
    this.#running = null;
  }

  async #deliver(alert: Alert): Promise<boolean> {
    const { count, log } = this.#parts;
    const { name } = this.#sender;
    if (this.#isAway) return this.#bury(alert, 0, "the service ended");
    for (let attempt = 1; ; attempt++) {
      const failure = await this.#attempt(alert);
      if (failure === null) {
        count(name, "sent");
        return true;
      }
      count(name, "failed");
      log.warn(
        { sender: name, key: alert.key, attempt, reason: failure.message },
        "alert not sent",
      );
      this.#isAway = this.#isClosing && failure.retryable;
      const isLast = attempt >= this.#options.maxAttempts || this.#isClosing || !failure.retryable;
      if (isLast) return this.#bury(alert, attempt, failure.message);
      await this.#pause(failure.retryAfterMs ?? this.#retryMs(attempt));
    }
  }

  async #attempt(alert: Alert): Promise<SendError | null> {
    try {
      await this.#sender.send(alert);
      return null;
    } catch (error) {
      if (error instanceof SendError) return error;
      return new SendError(`cannot be sent: ${(error as Error).name}`, false);
    }
  }

  #retryMs(attempt: number): number {
    const { firstRetryMs, maxRetryMs } = this.#options;
    return Math.min(firstRetryMs * 2 ** (attempt - 1), maxRetryMs);
  }

  /** Waits so long, or until the queue is closed. */
  #pause(ms: number): Promise<void> {
    if (this.#isClosing) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async #bury(alert: Alert, attempts: number, error: string): Promise<boolean> {
    const { deadLetters, count, log, nowMs } = this.#parts;
    const { name: sender } = this.#sender;
    count(sender, "dead");
    try {
      const time = new Date(nowMs()).toISOString();
      await deadLetters({ time, sender, attempts, error, alert });
      return true;
    } catch (failure) {
      log.error({ err: failure, sender, alert }, "alert neither sent nor kept as a dead letter");
      return false;
    }
  }
}
