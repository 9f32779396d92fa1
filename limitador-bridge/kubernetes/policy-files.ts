/** The files of the folder that objects are mirrored into, and those beside it. */
import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { readPolicyFolder } from "../policy/policy-folder.ts";
import { writeWhole } from "../reconcile/write-whole.ts";
import { type FolderPlan, kindOfFile } from "./mirror-file.ts";

/** Texts by name of the files that this program wrote; the folder is made where it is missing. */
export async function readOwnFiles(folder: string): Promise<Map<string, string>> {
  await mkdir(folder, { recursive: true });
  const names = (await readdir(folder)).filter((name) => kindOfFile(name) !== null).sort();
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), "utf8")));
  return new Map(names.map((name, i) => [name, texts[i] as string]));
}

/**
 * Texts by path of the policy folder's files of other origin: what the service reads as well.
 * @throws Error where the policy folder cannot be read
 */
export async function readOtherFiles(
  policies: string,
  folder: string,
): Promise<Map<string, string>> {
  const { texts, problems, readable } = await readPolicyFolder(resolve(policies));
  if (!readable) throw new Error(problems.map(({ message }) => message).join("\n"));
  const own = resolve(folder);
  const isOther = (path: string) => dirname(path) !== own || kindOfFile(basename(path)) === null;
  return new Map([...texts].filter(([path]) => isOther(path)));
}

/** Carries out a plan. What is to go is removed first: its place may be taken by what comes. */
export async function applyPlan(folder: string, { write, remove }: FolderPlan): Promise<void> {
  for (const name of remove) await rm(join(folder, name), { force: true });
  for (const [name, text] of write) await writeWhole(join(folder, name), text);
}
