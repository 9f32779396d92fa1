/** `tollgate prices import`: a PriceTable from LiteLLM's list of models. */
import { writeFile } from "node:fs/promises";
import { PricesError, type PricesIo, readText } from "./prices-io.ts";
import { importedText, LITELLM_FILE, liteLlmOf, tableOf } from "./prices-source.ts";

/** Writes the table; 0 also where something could not be translated, which is then told. */
export async function importPrices(args: string[], io: PricesIo): Promise<number> {
  const { file, target } = argumentsOf(args);
  const imported = liteLlmOf(file, await readText(io, file));
  if (imported === null) throw new PricesError(`${file}: expected ${LITELLM_FILE}`);
  const { models, notes } = imported;
  for (const note of notes) io.stderr(`${note}\n`);
  if (models.length === 0) throw new PricesError(`${file}: no model has a price per token`);
  const text = importedText(imported, io.nowMs());
  tableOf(text);
  if (target === null) io.stdout(text);
  else await write(target, text);
  io.stderr(`${models.length} models imported, ${notes.length} notes\n`);
  return 0;
}

function argumentsOf(args: string[]): { file: string; target: string | null } {
  const at = args.indexOf("--out");
  const target = at < 0 ? null : args[at + 1];
  if (target === undefined) throw new PricesError("--out: expected a file");
  const files = at < 0 ? args : args.toSpliced(at, 2);
  const [file] = files;
  const option = files.find((each) => each.startsWith("--"));
  if (option !== undefined) throw new PricesError(`unknown option ${option}; expected --out FILE`);
  if (file === undefined || files.length > 1) {
    throw new PricesError(`import: expected one FILE, found ${files.length}`);
  }
  return { file, target };
}

async function write(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text);
  } catch (error) {
    throw new PricesError(`${file}: cannot be written: ${(error as Error).message}`);
  }
}
