/** Replaces a small file as a whole: after a crash it has the old text or the new one. */
import { open, rename } from "node:fs/promises";

export async function writeWhole(path: string, text: string): Promise<void> {
  const temporary = `${path}.new`;
  const handle = await open(temporary, "w");
  try {
    await handle.writeFile(text);
    await handle.datasync();
  } finally {
    await handle.close();
  }
  await rename(temporary, path);
}
