/**
 * Waits until replicas have what was written (WAIT), so that the loss of a primary loses nothing
 * that was acknowledged.
 *
 * Where a primary has fewer replicas connected than asked for, e.g. after a fail-over, it is
 * enough that all of them have it: else the loss of one replica would end all settlements. This
 * is told as a warning and looked at again every second.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Redis } from "ioredis";
import { StoreError } from "../store-error.ts";

/** A replica acknowledges at least every second, also when it does not answer at once. */
const waitMs = 1500;
const lookAgainMs = 1000;

interface Expected {
  replicas: number;
  untilMs: number;
}

export class ReplicaWait {
  readonly #wanted: number;
  readonly #warn: (message: string) => void;
  readonly #coming = new WeakMap<Redis, Promise<void>>();
  readonly #fewer = new WeakMap<Redis, Expected>();

  /** @param wanted replicas that must have a write */
  constructor(wanted: number, warn: (message: string) => void) {
    this.#wanted = wanted;
    this.#warn = warn;
  }

  /**
   * Resolves when replicas have what this connection has written; one WAIT serves all who ask in
   * one turn of the event loop.
   * @throws StoreError unavailable where they have it not in a second and a half.
   */
  of(node: Redis): Promise<void> {
    const coming = this.#coming.get(node);
    if (coming !== undefined) return coming;
    const wait = nextTurn().then(() => {
      this.#coming.delete(node);
      return this.#wait(node);
    });
    this.#coming.set(node, wait);
    return wait;
  }

  async #wait(node: Redis): Promise<void> {
    const fewer = this.#fewer.get(node);
    const known = fewer !== undefined && Date.now() < fewer.untilMs;
    const expected = known ? fewer.replicas : this.#wanted;
    const reached = await node.wait(expected, waitMs);
    if (reached >= expected) return;
    const connected = await connectedReplicas(node);
    const replicas = Math.min(connected, this.#wanted);
    if (reached < replicas || connected >= this.#wanted) {
      throw new StoreError("unavailable", `redis: ${reached} of ${expected} replicas have it`);
    }
    this.#fewer.set(node, { replicas, untilMs: Date.now() + lookAgainMs });
    this.#warn(`redis: ${connected} replicas connected, settlements want ${this.#wanted}`);
  }
}

async function connectedReplicas(node: Redis): Promise<number> {
  const info = await node.info("replication");
  return Number(/connected_slaves:(\d+)/.exec(info)?.[1] ?? 0);
}
