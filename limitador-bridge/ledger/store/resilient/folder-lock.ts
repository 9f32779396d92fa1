/** One process at a time in a folder: a file `lock` with the pid of the one that has it. */
import { readFile, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { StoreError } from "../store-error.ts";

/**
 * Locks the folder; a lock whose process has gone is taken over.
 * @returns gives the lock back
 * @throws StoreError locked where another process has it.
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const path = join(folder, "lock");
  for (let attempt = 0; attempt < 2; attempt += 1) {
    try {
      await writeFile(path, String(process.pid), { flag: "wx" });
      return () => unlink(path);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== "EEXIST") {
        throw new StoreError("unavailable", `${path} cannot be written`, cause);
      }
      if (await isHeld(path)) break;
      await unlink(path).catch(() => {});
    }
  }
  throw new StoreError("locked", `journal ${folder} is open in another process (see ${path})`);
}

async function isHeld(path: string): Promise<boolean> {
  const pid = Number(await readFile(path, "utf8").catch(() => ""));
  if (!Number.isInteger(pid) || pid < 1) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
