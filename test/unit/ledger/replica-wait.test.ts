import type { Redis } from "ioredis";
import { expect, test } from "vitest";
import { ReplicaWait } from "../../../limitador-bridge/ledger/store/redis/replica-wait.ts";

/** A connection whose primary has replicas in these states, of which so many answer. */
function fakeNode(states: string[], answering: number) {
  const asked: unknown[] = [];
  const slaves = states.map(
    (state, n) => `slave${n}:ip=10.0.0.${n},port=6379,state=${state},lag=0`,
  );
  const own = {
    stream: { remoteAddress: "10.0.1.1", remotePort: 6379 },
    options: {},
    on: () => {},
    once: () => {},
    info: async () => `role:master\r\nconnected_slaves:${states.length}\r\n${slaves.join("\r\n")}`,
    set: async () => "OK",
    wait: async (replicas: number) => {
      asked.push(replicas);
      return answering;
    },
  };
  const node = { ...own, duplicate: () => own };
  return { node: node as unknown as Redis, asked };
}

test("one WAIT runs at a time, and serves all who came before it", async () => {
  const { node, asked } = fakeNode(["online"], 1);
  const wait = new ReplicaWait(1, () => {});
  const ask = () => wait.of(node, "w");
  const first = [ask(), ask(), ask()];
  // What is written while the first one runs may have come too late for it.
  const later = Promise.race(first).then(() => Promise.all([ask(), ask()]));
  expect(await Promise.all(first)).toEqual([1, 1, 1]);
  expect(await later).toEqual([1, 1]);
  expect(asked).toEqual([1, 1]);
});

test("a replica in step that does not have it: not durable", async () => {
  const { node } = fakeNode(["online"], 0);
  await expect(new ReplicaWait(1, () => {}).of(node, "w")).rejects.toMatchObject({
    name: "NotReplicated",
    code: "unavailable",
    message: "redis: 0 of 1 replicas have it after 500 ms",
  });
});

test("one that is still being sent the data set is not waited for", async () => {
  const { node, asked } = fakeNode(["send_bulk", "wait_bgsave"], 0);
  expect(await new ReplicaWait(1, () => {}).of(node, "w")).toBe(0);
  expect(asked).toEqual([]);
});

test("fewer replicas than wanted: all that there are must have it, with one warning", async () => {
  const warnings: string[] = [];
  const wait = new ReplicaWait(2, (message) => warnings.push(message));
  const { node, asked } = fakeNode(["online"], 1);
  await wait.of(node, "w");
  await wait.of(node, "w");
  expect(asked).toEqual([1, 1]);
  expect(warnings).toEqual(["redis 10.0.1.1:6379: 1 replicas in step, settlements want 2"]);
  const { node: silent } = fakeNode(["online"], 0);
  await expect(wait.of(silent, "w")).rejects.toMatchObject({ code: "unavailable" });
});
