/**
 * Waits until replicas have what was written (WAIT), so that the loss of a primary loses nothing
 * that was acknowledged.
 *
 * Where a primary has fewer replicas in step than wanted, e.g. after a fail-over, it is enough
 * that all of them have it: else the loss of one replica would end all settlements. With none
 * there is nothing to wait for.
 */
import type { Redis } from "ioredis";
import { PrimaryWait } from "./primary-wait.ts";

export class ReplicaWait {
  readonly #wanted: number;
  readonly #warn: (message: string) => void;
  readonly #waits = new Map<Redis, PrimaryWait>();

  /** @param wanted replicas that must have a write */
  constructor(wanted: number, warn: (message: string) => void) {
    this.#wanted = wanted;
    this.#warn = warn;
  }

  /**
   * Resolves with how many replicas have what was written to this primary before the call.
   * @param node the connection it was written by, on which nothing waits
   * @param key one of this primary's, which is written
   * @throws StoreError unavailable, NotReplicated where they have it not in half a second.
   */
  of(node: Redis, key: string): Promise<number> {
    let wait = this.#waits.get(node);
    if (wait === undefined) {
      wait = new PrimaryWait(node, this.#wanted, this.#warn);
      this.#waits.set(node, wait);
      node.once("end", () => {
        this.#waits.get(node)?.close();
        this.#waits.delete(node);
      });
    }
    return wait.reached(key);
  }

  /** Cuts off what waits. */
  close(): void {
    for (const wait of this.#waits.values()) wait.close();
  }
}
