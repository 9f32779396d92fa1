import type { Redis } from "ioredis";
import { expect, test } from "vitest";
import { ReplicaWait } from "../../../limitador-bridge/ledger/store/redis/replica-wait.ts";

/** A connection whose primary has so many replicas, of which so many answer. */
function fakeNode(connected: number, answering: number) {
  const asked: number[] = [];
  const node = {
    wait: async (replicas: number) => {
      asked.push(replicas);
      return answering;
    },
    info: async () => `role:master\r\nconnected_slaves:${connected}\r\n`,
  };
  return { node: node as unknown as Redis, asked };
}

test("one WAIT serves all who ask in one turn", async () => {
  const { node, asked } = fakeNode(1, 1);
  const wait = new ReplicaWait(1, () => {});
  await Promise.all([wait.of(node), wait.of(node), wait.of(node)]);
  expect(asked).toEqual([1]);
  await wait.of(node);
  expect(asked).toEqual([1, 1]);
});

test("a connected replica that does not have it: not durable", async () => {
  const { node } = fakeNode(1, 0);
  await expect(new ReplicaWait(1, () => {}).of(node)).rejects.toMatchObject({
    code: "unavailable",
    message: "redis: 0 of 1 replicas have it",
  });
});

test("fewer replicas than wanted: all that there are must have it, with a warning", async () => {
  const warnings: string[] = [];
  const wait = new ReplicaWait(2, (message) => warnings.push(message));
  const { node, asked } = fakeNode(1, 1);
  await wait.of(node);
  await wait.of(node);
  expect(asked).toEqual([2, 1]);
  expect(warnings).toEqual(["redis: 1 replicas connected, settlements want 2"]);
  await expect(wait.of(fakeNode(1, 0).node)).rejects.toMatchObject({ code: "unavailable" });
});
