/** An embedded store whose writes fail as often as a test says. */
import { openLevel } from "../../limitador-bridge/ledger/store/embedded/open-level.ts";
import {
  EmbeddedStore,
  type EmbeddedStoreOptions,
} from "../../limitador-bridge/ledger/store/embedded.ts";

export interface Disk {
  /** So many of the next writes fail. */
  failures: number;
  /** Those that were tried. */
  writes: number;
}

/** What a call is refused with then. */
export const noSpace = {
  code: "unavailable",
  message: "embedded store cannot write: no space left on device",
};

/** Opens the store of a folder; what is written goes through `disk`. */
export async function openOnDisk(
  path: string,
  disk: Disk,
  options: EmbeddedStoreOptions,
): Promise<EmbeddedStore> {
  const level = await openLevel(path);
  const batch = level.db.batch.bind(level.db) as () => ReturnType<typeof level.db.batch>;
  Object.assign(level.db, {
    batch() {
      const chained = batch();
      const write = chained.write.bind(chained);
      return Object.assign(chained, {
        async write(given: { sync?: boolean }) {
          disk.writes += 1;
          if (disk.failures === 0) return write(given);
          disk.failures -= 1;
          await chained.close();
          throw new Error("no space left on device");
        },
      });
    },
  });
  return new EmbeddedStore(level, options);
}
