/** A store that is away or slow when a test says so, and the resilient store around it. */
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { MemoryStore } from "../../limitador-bridge/ledger/store/memory.ts";
import {
  type ResilientStore,
  StoreUnavailable,
} from "../../limitador-bridge/ledger/store/resilient.ts";
import type { Store } from "../../limitador-bridge/ledger/store/store.ts";
import { StoreError } from "../../limitador-bridge/ledger/store/store-error.ts";

/** Options of a resilient store that soon finds that the store is away, and back. */
export const fast = {
  failuresToOpen: 2,
  probeEveryMs: 20,
  reserveTimeoutMs: 30,
  otherTimeoutMs: 60,
};

/** A memory store that can be away or slow. */
export class Flaky extends MemoryStore {
  mode: "works" | "fails" | "hangs" = "works";
  calls = 0;
  #hanging: (() => void)[] = [];

  async #gate<T>(call: () => Promise<T>): Promise<T> {
    this.calls += 1;
    if (this.mode === "fails") throw new StoreError("unavailable", "connection refused");
    if (this.mode === "hangs") await new Promise<void>((resolve) => this.#hanging.push(resolve));
    return call();
  }
  /** Lets what hangs go on. */
  resume(): void {
    this.mode = "works";
    for (const go of this.#hanging.splice(0)) go();
  }
  override reserve: Store["reserve"] = (request) => this.#gate(() => super.reserve(request));
  override settle: Store["settle"] = (all) => this.#gate(() => super.settle(all));
  override release: Store["release"] = (id) => this.#gate(() => super.release(id));
  override shrink: Store["shrink"] = (id, n) => this.#gate(() => super.shrink(id, n));
  override expire: Store["expire"] = () => this.#gate(() => super.expire());
  override appendRecord: Store["appendRecord"] = (r) => this.#gate(() => super.appendRecord(r));
  override ping: Store["ping"] = () => this.#gate(() => super.ping());
}

/** What a decision is refused with while the store is away. */
export async function unavailable(call: Promise<unknown>): Promise<StoreUnavailable> {
  const error = await call.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(StoreUnavailable);
  return error as StoreUnavailable;
}

/** Waits until the store is used again and has been told all. */
export async function untilClosed(store: ResilientStore): Promise<void> {
  const deadline = Date.now() + 5_000;
  while (store.status().circuit === "open" || store.status().journaledBytes > 0) {
    if (Date.now() > deadline) throw new Error("the circuit stays open");
    await sleep(5);
  }
}
