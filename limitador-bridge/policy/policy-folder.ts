/** Reads the texts of a policy folder. The only part of policies that touches the disk. */
import type { Stats } from "node:fs";
import { lstat, readdir, readFile, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import type { PolicyProblem } from "./policy-set.ts";

const MAX_FILES = 10_000;
const MAX_FILE_BYTES = 16 * 1024 * 1024;
const MAX_DEPTH = 16;

export interface FolderFile {
  file: string;
  /** Changes whenever the file is written or swapped for another. */
  stamp: string;
  sizeBytes: number;
}

function isPolicyName(name: string): boolean {
  return /\.(?:ya?ml|json)$/i.test(name);
}

export interface FolderListing {
  /** By path. */
  files: FolderFile[];
  /** Links that cannot be followed, and folders too deep to be read: what is there is not known. */
  unread: PolicyProblem[];
}

function fileProblem(file: string, message: string): PolicyProblem {
  return { file, line: 1, column: 1, field: "", message };
}

/**
 * What an entry is, links followed. Null: it went between the listing and here, or it is a link
 * that cannot be followed, which is told in `unread`. Throws where the folder lets nobody look.
 */
async function entryInfo(path: string, unread: PolicyProblem[]): Promise<Stats | null> {
  try {
    return await stat(path);
  } catch (error) {
    const own = await lstat(path).catch((reason: NodeJS.ErrnoException) => {
      if (reason.code === "ENOENT") return null;
      throw reason;
    });
    // What is no link came between the two calls.
    if (own === null || !own.isSymbolicLink()) return own;
    unread.push(fileProblem(path, `the link cannot be followed: ${(error as Error).message}`));
    return null;
  }
}

/**
 * Names beginning with a dot are skipped: among them are the folders behind a mounted ConfigMap
 * (`..data`, `..2026_…`), whose files the visible names link to, and editors' locks.
 */
async function listInto(
  folder: string,
  depth: number,
  seen: Set<string>,
  { files, unread }: FolderListing,
): Promise<void> {
  const real = await realpath(folder);
  if (seen.has(real)) return;
  if (depth > MAX_DEPTH) {
    unread.push(fileProblem(folder, `folders are read to a depth of ${MAX_DEPTH}`));
    return;
  }
  seen.add(real);
  const names = (await readdir(folder)).filter((name) => !name.startsWith(".")).sort();
  for (const name of names) {
    const path = join(folder, name);
    const info = await entryInfo(path, unread);
    if (info === null) continue;
    if (info.isDirectory()) await listInto(path, depth + 1, seen, { files, unread });
    else if (info.isFile() && isPolicyName(name)) {
      if (files.length >= MAX_FILES) throw new Error(`more than ${MAX_FILES} policy files`);
      const stamp = `${info.ino}:${info.mtimeMs}:${info.ctimeMs}:${info.size}`;
      files.push({ file: path, stamp, sizeBytes: info.size });
    }
  }
}

/**
 * The .yaml, .yml and .json files below a folder, links followed. Throws where the folder, or one
 * below it, cannot be read.
 */
export async function listPolicyFiles(dir: string): Promise<FolderListing> {
  const listing: FolderListing = { files: [], unread: [] };
  await listInto(dir, 0, new Set(), listing);
  return listing;
}

export interface FolderTexts {
  /** By path, in path order. */
  texts: Map<string, string>;
  problems: PolicyProblem[];
  /** False: the folder itself could not be read, and `texts` says nothing. */
  readable: boolean;
}

/** Reads a whole folder. Never throws: what cannot be read is a problem. */
export async function readPolicyFolder(dir: string): Promise<FolderTexts> {
  const texts = new Map<string, string>();
  const problems: PolicyProblem[] = [];
  let files: FolderFile[];
  try {
    const listing = await listPolicyFiles(dir);
    files = listing.files;
    problems.push(...listing.unread);
  } catch (error) {
    problems.push(fileProblem(dir, `cannot read the policy folder: ${(error as Error).message}`));
    return { texts, problems, readable: false };
  }
  for (const { file, sizeBytes } of files) {
    if (sizeBytes > MAX_FILE_BYTES) {
      problems.push(fileProblem(file, `a policy file has at most ${MAX_FILE_BYTES} bytes`));
      continue;
    }
    try {
      texts.set(file, await readFile(file, "utf8"));
    } catch (error) {
      problems.push(fileProblem(file, `cannot be read: ${(error as Error).message}`));
    }
  }
  return { texts, problems, readable: true };
}
