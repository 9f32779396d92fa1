/** The load generator, as a process of its own: jobs come and results go as messages. */
import { connect, type Socket } from "node:net";
import type { JobRequest, LoadAnswer, LoadJob, LoadResult } from "./load-job.ts";
import { MessageReader } from "./message-reader.ts";
import { percentile } from "./statistics.ts";

/** An answer that takes longer is none. */
const ANSWER_DEADLINE_MS = 10_000;
const COUNTER_DIGITS = 12;

interface Connection {
  socket: Socket;
  request: Buffer;
  counterOffsets: number[];
  reader: MessageReader;
  /** When the request under way was due; null: none is. */
  sinceMs: number | null;
}

function open(job: LoadJob, { base64, counterOffsets }: JobRequest): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: job.host, port: job.port, noDelay: true });
    const request = Buffer.from(base64, "base64");
    const reader = new MessageReader();
    const connection = { socket, request, counterOffsets, reader, sinceMs: null };
    socket.once("connect", () => resolve(connection));
    socket.once("error", reject);
  });
}

class Run {
  private readonly job: LoadJob;
  private readonly connections: Connection[];
  private readonly idle: Connection[];
  private readonly latenciesMs: number[] = [];
  private readonly failures: Record<string, number> = {};
  private readonly overdueMs: number[] = [];
  private count: number;
  private underWay = 0;
  private isAllSent = false;
  private isClosing = false;
  private startMs = 0;
  private lastMs = 0;
  private finish: () => void = () => {};

  constructor(job: LoadJob, connections: Connection[]) {
    this.job = job;
    this.connections = connections;
    this.idle = [...connections];
    this.count = job.firstCount;
    for (const connection of connections) this.listen(connection);
  }

  async run(): Promise<LoadResult> {
    const cpuBefore = process.cpuUsage();
    this.startMs = performance.now();
    const finished = new Promise<void>((resolve) => {
      this.finish = resolve;
    });
    if (this.job.ratePerSecond === null) this.startClosedLoop();
    else this.startDue(0, this.job.ratePerSecond);
    await this.orDeadline(finished);
    const cpu = process.cpuUsage(cpuBefore);
    const ascending = Float64Array.from(this.latenciesMs).sort();
    return {
      requests: ascending.length,
      failures: this.failures,
      seconds: (this.lastMs - this.startMs) / 1000,
      p50Us: percentile(ascending, 0.5) * 1000,
      p99Us: percentile(ascending, 0.99) * 1000,
      cpuSeconds: (cpu.user + cpu.system) / 1e6,
    };
  }

  private async orDeadline(finished: Promise<void>): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, this.job.durationMs + ANSWER_DEADLINE_MS);
    });
    await Promise.race([finished, deadline]);
    clearTimeout(timer);
    if (this.underWay > 0) this.failed("no answer in time", this.underWay);
    this.isClosing = true;
    for (const { socket } of this.connections) socket.destroy();
  }

  private get isOver(): boolean {
    return performance.now() - this.startMs >= this.job.durationMs;
  }

  private startClosedLoop(): void {
    for (const connection of this.idle.splice(0)) this.send(connection, performance.now());
  }

  /** Starts what is due, then waits for the next; those behind wait for a free connection. */
  private startDue(started: number, ratePerSecond: number): void {
    const planned = Math.round((this.job.durationMs * ratePerSecond) / 1000);
    const dueMs = (index: number) => this.startMs + (index * 1000) / ratePerSecond;
    let next = started;
    for (; next < planned && dueMs(next) <= performance.now(); next++) {
      const connection = this.idle.pop();
      // The timer's own lateness is ours, not the answer's; waiting for a connection is not.
      if (connection === undefined) this.overdueMs.push(performance.now());
      else this.send(connection, performance.now());
    }
    if (next < planned) {
      const waitMs = Math.max(0, dueMs(next) - performance.now());
      setTimeout(() => this.startDue(next, ratePerSecond), waitMs);
    } else {
      this.isAllSent = true;
      this.endWhenIdle();
    }
  }

  private send(connection: Connection, sinceMs: number): void {
    if (connection.counterOffsets.length > 0) this.countUp(connection);
    connection.sinceMs = sinceMs;
    this.underWay++;
    connection.socket.write(connection.request);
  }

  private countUp({ request, counterOffsets }: Connection): void {
    for (const offset of counterOffsets) {
      request.write(String(this.count++).padStart(COUNTER_DIGITS, "0"), offset, "latin1");
    }
  }

  private listen(connection: Connection): void {
    const { socket, reader } = connection;
    socket.on("data", (bytes) => {
      if (reader.push(bytes)) this.answered(connection);
    });
    socket.on("error", (error) => this.broken(error.message));
    socket.on("end", () => this.broken("connection closed by the other side"));
  }

  private answered(connection: Connection): void {
    const nowMs = performance.now();
    this.underWay--;
    this.lastMs = nowMs;
    const { status } = connection.reader;
    if (status === 200) this.latenciesMs.push(nowMs - (connection.sinceMs ?? nowMs));
    else this.failed(`status ${status}`, 1);
    connection.sinceMs = null;
    const overdue = this.overdueMs.shift();
    if (overdue !== undefined) this.send(connection, overdue);
    else if (this.job.ratePerSecond === null && !this.isOver) this.send(connection, nowMs);
    else this.idle.push(connection);
    this.endWhenIdle();
  }

  /** Nothing is left to measure then. */
  private broken(how: string): void {
    if (this.isClosing) return;
    this.failed(how, 1);
    this.finish();
  }

  private endWhenIdle(): void {
    const isAllSent = this.isAllSent || (this.job.ratePerSecond === null && this.isOver);
    if (isAllSent && this.underWay === 0 && this.overdueMs.length === 0) this.finish();
  }

  private failed(what: string, times: number): void {
    this.failures[what] = (this.failures[what] ?? 0) + times;
  }
}

async function answer(job: LoadJob): Promise<LoadAnswer> {
  try {
    const connections = await Promise.all(job.requests.map((request) => open(job, request)));
    return { result: await new Run(job, connections).run() };
  } catch (error) {
    return { error: `the load generator failed: ${(error as Error).message}` };
  }
}

process.on("message", async (job) => {
  process.send?.(await answer(job as LoadJob));
});
process.once("disconnect", () => process.exit());
