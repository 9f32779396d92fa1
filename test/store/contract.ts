/** The one behaviour suite that every store passes. */
import { afterEach, beforeEach, describe } from "vitest";
import type { Store } from "../../limitador-bridge/ledger/store/store.ts";
import { admissionContract } from "./contract/admission.ts";
import { carryOverContract } from "./contract/carry-over.ts";
import { concurrencyContract } from "./contract/concurrency.ts";
import { expiryContract } from "./contract/expiry.ts";
import { type OpenOptions, type OpenStore, TestClock } from "./contract/fixture.ts";
import { leaseContract } from "./contract/leases.ts";
import { modelContract } from "./contract/model.ts";
import { optionContract } from "./contract/options.ts";
import { provisionalContract } from "./contract/provisional.ts";
import { recordContract } from "./contract/records.ts";
import { replacedContract } from "./contract/replaced.ts";
import { settlementContract } from "./contract/settlement.ts";
import { termContract } from "./contract/terms.ts";
import { windowContract } from "./contract/windows.ts";

/** What a test of the suite works with; new for every test. */
export interface Bench {
  store: Store;
  clock: TestClock;
  /** A further store, with other options. */
  open(options?: Partial<OpenOptions>): Promise<Store>;
}

export function storeContract(name: string, openStore: OpenStore): void {
  describe(`${name} store`, () => {
    const bench = {} as Bench;
    const opened: Store[] = [];

    beforeEach(async () => {
      const clock = new TestClock();
      bench.clock = clock;
      bench.open = async (options = {}) => {
        const store = await openStore({ nowMs: clock.nowMs, ...options });
        opened.push(store);
        return store;
      };
      bench.store = await bench.open();
    });
    afterEach(async () => {
      for (const store of opened.splice(0)) await store.close();
    });

    admissionContract(bench);
    termContract(bench);
    optionContract(bench);
    settlementContract(bench);
    provisionalContract(bench);
    replacedContract(bench);
    expiryContract(bench);
    leaseContract(bench);
    windowContract(bench);
    carryOverContract(bench);
    recordContract(bench);
    concurrencyContract(bench);
    modelContract(bench);
  });
}
