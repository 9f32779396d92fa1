import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type DeadLetter, deadLetterFile } from "../../../limitador-bridge/alerts/dead-letters.ts";
import { type AlertMarks, MemoryMarks } from "../../../limitador-bridge/alerts/mark.ts";
import { noteMarks } from "../../../limitador-bridge/alerts/note-marks.ts";
import { openAlerts } from "../../../limitador-bridge/alerts/open-alerts.ts";
import {
  AlertQueue,
  type AlertQueueOptions,
  QUEUE_PRESET,
} from "../../../limitador-bridge/alerts/queue.ts";
import { SendError, type Sender, slackSender } from "../../../limitador-bridge/alerts/sender.ts";
import { createMetrics } from "../../../limitador-bridge/metrics.ts";
import { MemoryNotes } from "../../../limitador-bridge/notes/memory-notes.ts";
import { alert, NOW_MS, type Receiver, startReceiver } from "./receiver.ts";

let receiver: Receiver;
let folder: string;
beforeEach(async () => {
  receiver = await startReceiver();
  folder = mkdtempSync(join(tmpdir(), "tollgate-alerts-"));
});
afterEach(async () => {
  await receiver.close();
  rmSync(folder, { recursive: true, force: true });
});

interface QueueParts {
  senders?: Sender[];
  marks?: AlertMarks;
  nowMs?: () => number;
  options?: Partial<AlertQueueOptions>;
}

const ours: AlertMarks = { begin: async () => "ours", end: async () => {} };

function createQueue(parts: QueueParts = {}) {
  const { senders, marks = ours, nowMs = () => NOW_MS, options } = parts;
  const counts: string[] = [];
  const logged: string[] = [];
  const file = join(folder, "below", "dead.jsonl");
  const write = (_: object, message: string) => void logged.push(message);
  const queue = new AlertQueue({
    senders: senders ?? [slackSender(receiver.url)],
    marks,
    deadLetters: deadLetterFile(file),
    count: (sender, result) => void counts.push(`${sender} ${result}`),
    log: { info: write, warn: write, error: write },
    nowMs,
    options: { firstRetryMs: 1, maxRetryMs: 4, ...options },
  });
  const dead = () =>
    readFileSync(file, "utf8")
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as DeadLetter);
  return { queue, counts, logged, dead };
}

const keysOf = () => receiver.received.map(({ body }) => (body as { text: string }).text);

describe("once", () => {
  test("each key is sent once, however often it is raised", async () => {
    const { queue, counts } = createQueue();
    for (let i = 0; i < 1000; i++) queue.raise(alert("a", { summary: `a${i}` }));
    queue.raise(alert("b", { summary: "b" }));
    await queue.flush();
    queue.raise(alert("a", { summary: "again" }));
    await queue.flush();
    expect(keysOf()).toEqual(["a0", "b"]);
    expect(counts).toEqual(["slack sent", "slack sent"]);
  });

  test("of two replicas with the same marks only one sends", async () => {
    const clock = { nowMs: NOW_MS };
    const nowMs = () => clock.nowMs;
    const notes = new MemoryNotes(nowMs);
    const marks = noteMarks(notes, nowMs);
    const queues = [createQueue({ marks, nowMs }), createQueue({ marks, nowMs })];
    for (const { queue } of queues) queue.raise(alert("a"));
    for (const { queue } of queues) await queue.flush();
    expect(receiver.received.length).toBe(1);
    const text = "2026-11-15T12:00:00.000Z";
    expect(await notes.list("")).toEqual([
      // To the end of the month, and an hour.
      { key: "a", text, expiresAtMs: Date.UTC(2026, 11, 1, 1) },
      { key: "sending/a", text, expiresAtMs: NOW_MS + 20 * 60_000 },
    ]);
    for (const afterMs of [60_000, 20 * 60_000, 15 * 86_400_000]) {
      clock.nowMs = NOW_MS + afterMs;
      for (const { queue } of queues) queue.raise(alert("a"));
      for (const { queue } of queues) await queue.flush();
    }
    expect(receiver.received.length).toBe(1);
  });

  test("what a replica was sending when it was killed is sent by another, later", async () => {
    const clock = { nowMs: NOW_MS };
    const nowMs = () => clock.nowMs;
    const marks = noteMarks(new MemoryNotes(nowMs), nowMs);
    const hanging: Sender = { name: "slack", send: () => new Promise(() => {}) };
    const killed = createQueue({ marks, nowMs, senders: [hanging] });
    const other = createQueue({ marks, nowMs });
    killed.queue.raise(alert("a"));
    while (!killed.logged.includes("alert")) await new Promise((resolve) => setTimeout(resolve, 1));
    const sentAfter = async (afterMs: number) => {
      clock.nowMs = NOW_MS + afterMs;
      other.queue.raise(alert("a"));
      await other.queue.flush();
      return receiver.received.length;
    };
    expect(await sentAfter(0)).toBe(0);
    expect(await sentAfter(20 * 60_000 - 60_000)).toBe(0);
    expect(await sentAfter(20 * 60_000)).toBe(1);
    expect(await sentAfter(40 * 60_000)).toBe(1);
  });

  test("what was neither sent nor kept is tried again", async () => {
    const clock = { nowMs: NOW_MS };
    const notes = new MemoryNotes(() => clock.nowMs);
    receiver.answers.push([400]);
    const write = () => {};
    const queue = new AlertQueue({
      senders: [slackSender(receiver.url)],
      marks: noteMarks(notes, () => clock.nowMs),
      deadLetters: deadLetterFile("/dev/null/x.jsonl"),
      count: () => {},
      log: { info: write, warn: write, error: write },
      nowMs: () => clock.nowMs,
    });
    for (const [afterMs, sent] of [
      [0, 1],
      [20 * 60_000 - 1, 1],
      [20 * 60_000, 2],
      [9e6, 2],
    ] as const) {
      clock.nowMs = NOW_MS + afterMs;
      queue.raise(alert("a"));
      await queue.flush();
      expect(receiver.received.length).toBe(sent);
    }
  });

  test("where marks cannot be had each replica sends once", async () => {
    const gone = () => Promise.reject(new Error("gone"));
    const { queue, logged } = createQueue({ marks: { begin: gone, end: gone } });
    queue.raise(alert("a"));
    queue.raise(alert("a"));
    await queue.flush();
    expect(receiver.received.length).toBe(1);
    expect(logged).toEqual([
      "alert not marked: replicas may repeat it",
      "alert",
      "alert not marked as sent: replicas may repeat it",
    ]);
  });

  test("a mark ends with its time", () => {
    let nowMs = 0;
    const marks = new MemoryMarks(() => nowMs);
    expect([marks.mark("a", 10), marks.mark("a", 10)]).toEqual([true, false]);
    nowMs = 9;
    expect(marks.mark("a", 10)).toBe(false);
    nowMs = 10;
    expect(marks.mark("a", 10)).toBe(true);
  });
});

describe("retries", () => {
  test("what passes later is sent in its order", async () => {
    receiver.answers.push([500], [503], [200], [429, "0"]);
    const { queue, counts } = createQueue();
    queue.raise(alert("a", { summary: "a" }));
    queue.raise(alert("b", { summary: "b" }));
    await queue.flush();
    expect(keysOf()).toEqual(["a", "a", "a", "b", "b"]);
    expect(counts).toEqual([
      "slack failed",
      "slack failed",
      "slack sent",
      "slack failed",
      "slack sent",
    ]);
  });

  test("what never passes is a dead letter, with all there is to know", async () => {
    receiver.answers.push([500], [500], [500]);
    const { queue, counts, dead } = createQueue({ options: { maxAttempts: 3 } });
    queue.raise(alert("a"));
    await queue.flush();
    expect(dead()).toEqual([
      {
        time: "2026-11-15T12:00:00.000Z",
        sender: "slack",
        attempts: 3,
        error: "answered 500",
        alert: alert("a"),
      },
    ]);
    expect(counts).toEqual(["slack failed", "slack failed", "slack failed", "slack dead"]);
  });

  test("what is refused for good is not tried again, and holds nothing up", async () => {
    receiver.answers.push([404]);
    const { queue, dead } = createQueue();
    queue.raise(alert("a", { summary: "a" }));
    queue.raise(alert("b", { summary: "b" }));
    await queue.flush();
    expect(keysOf()).toEqual(["a", "b"]);
    expect(dead().map(({ attempts, error, alert: { key } }) => [attempts, error, key])).toEqual([
      [1, "answered 404", "a"],
    ]);
  });

  test("pauses double up to their limit; Retry-After comes before that", async () => {
    const pauses = vi.spyOn(globalThis, "setTimeout");
    const failures = [null, 17, null, null];
    const sender: Sender = {
      name: "away",
      send: async () => {
        throw new SendError("away", true, failures.shift() ?? null);
      },
    };
    const { queue } = createQueue({
      senders: [sender],
      options: { maxAttempts: 5, firstRetryMs: 21, maxRetryMs: 99 },
    });
    queue.raise(alert("a"));
    await queue.flush();
    // Connections that are open have timers, too.
    const possible = [17, 21, 42, 84, 99, 168];
    const own = pauses.mock.calls.flatMap(([, ms = 0]) => (possible.includes(ms) ? [ms] : []));
    expect(own).toEqual([21, 17, 84, 99]);
    pauses.mockRestore();
  });

  test("a sender with a fault of its own is not tried again", async () => {
    const send = () => Promise.reject(new TypeError("a fault of ours"));
    const { queue, dead } = createQueue({ senders: [{ name: "broken", send }] });
    queue.raise(alert("a"));
    await queue.flush();
    expect(dead().map(({ attempts, error }) => [attempts, error])).toEqual([
      [1, "cannot be sent: TypeError"],
    ]);
  });

  test("the preset gives up after about a quarter of an hour", () => {
    const { maxAttempts, firstRetryMs, maxRetryMs } = QUEUE_PRESET;
    let totalMs = 0;
    for (let n = 0; n < maxAttempts - 1; n++)
      totalMs += Math.min(firstRetryMs * 2 ** n, maxRetryMs);
    expect(totalMs).toBe(495_000);
  });
});

describe("bounds", () => {
  test("what is too much becomes a dead letter, and the queue still ends", async () => {
    const { queue, counts, dead } = createQueue({ options: { maxWaiting: 2 } });
    for (const key of ["a", "b", "c", "d", "e"]) queue.raise(alert(key, { summary: key }));
    await queue.flush();
    expect(keysOf()).toEqual(["a", "b", "c"]);
    expect(dead().map(({ alert: { key }, error }) => [key, error])).toEqual([
      ["d", "too many alerts are waiting"],
      ["e", "too many alerts are waiting"],
    ]);
    expect(counts.filter((count) => count === "slack dead").length).toBe(2);
  });

  test("closing waits for no retry", async () => {
    receiver.answers.push([500], [500], [500]);
    const { queue, counts, dead } = createQueue({
      options: { firstRetryMs: 60_000, maxRetryMs: 60_000 },
    });
    for (const key of ["a", "b", "c"]) queue.raise(alert(key, { summary: key }));
    while (counts.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await queue.close();
    expect(keysOf()).toEqual(["a", "a"]);
    expect(dead().map(({ alert: { key }, attempts, error }) => [key, attempts, error])).toEqual([
      ["a", 2, "answered 500"],
      ["b", 0, "the service ended"],
      ["c", 0, "the service ended"],
    ]);
  });

  test("a dead letter that cannot be written is logged", async () => {
    receiver.answers.push([400]);
    const logged: [string, object][] = [];
    const write = (fields: object, message: string) => void logged.push([message, fields]);
    const queue = new AlertQueue({
      senders: [slackSender(receiver.url)],
      marks: ours,
      deadLetters: deadLetterFile("/dev/null/x.jsonl"),
      count: () => {},
      log: { info: write, warn: write, error: write },
      nowMs: () => NOW_MS,
    });
    queue.raise(alert("a"));
    await queue.flush();
    expect(logged.at(-1)?.[0]).toBe("alert neither sent nor kept as a dead letter");
    expect(logged.at(-1)?.[1]).toMatchObject({ sender: "slack", alert: alert("a") });
  });
});

test("the configured queue sends to every receiver and counts in the metrics", async () => {
  const metrics = createMetrics({ defaults: false });
  const log = { info: () => {}, warn: () => {}, error: () => {} };
  const queue = openAlerts({
    config: {
      slackUrl: `${receiver.url}/slack`,
      webhookUrl: `${receiver.url}/hook`,
      alertmanagerUrl: receiver.url,
      deadLetterFile: join(folder, "dead.jsonl"),
    },
    marks: ours,
    count: (sender, result) => metrics.alerts.inc({ sender, result }),
    log,
    nowMs: () => NOW_MS,
  });
  queue.raise(alert("a"));
  await queue.close();
  expect(receiver.received.map(({ path }) => path).sort()).toEqual([
    "/api/v2/alerts",
    "/hook",
    "/slack",
  ]);
  const lines = (await metrics.text()).split("\n");
  expect(lines.filter((line) => /^tollgate_alerts_total.* [1-9]/.test(line)).sort()).toEqual([
    'tollgate_alerts_total{sender="alertmanager",result="sent"} 1',
    'tollgate_alerts_total{sender="slack",result="sent"} 1',
    'tollgate_alerts_total{sender="webhook",result="sent"} 1',
  ]);
});
