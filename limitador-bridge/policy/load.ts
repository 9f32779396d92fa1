/**
 * From a policy folder to the policies in force. A file serves as a whole or not at all; where
 * its newest version has problems, its last good version goes on serving.
 */
import { dirname } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { CompiledPolicySet } from "./build-set.ts";
import type { PolicyKind } from "./kinds/kind.ts";
import { POLICY_KINDS } from "./kinds/registry.ts";
import { type PolicyDocument, type PolicyFile, parsePolicyFile } from "./policy-file.ts";
import { readPolicyFolder } from "./policy-folder.ts";
import type { PolicyProblem } from "./policy-set.ts";
import type { SourceDocument } from "./source-document.ts";

export interface LoadOptions {
  kinds?: readonly PolicyKind[];
  /**
   * What served before, loaded with the same options; its last good files go on where new ones
   * are broken.
   */
  previous?: LoadedPolicies;
}

export interface TrackedFile {
  newest: PolicyFile;
  /** The newest version or the last good one; null where there was none. */
  serving: PolicyFile | null;
  /** Of the newest version, clashes with other files included. */
  problems: PolicyProblem[];
}

export interface LoadedPolicies {
  set: CompiledPolicySet;
  /** The documents in force; those of other Kubernetes objects are not among them. */
  documents: PolicyDocument[];
  /** Everything wrong now. At start any problem should stop the service. */
  problems: PolicyProblem[];
  /** Those of them that are of the folder itself, and of files that cannot be read. */
  folderProblems: PolicyProblem[];
  /** Known objects that are not enforced, and what is probably not meant. */
  warnings: PolicyProblem[];
  files: ReadonlyMap<string, TrackedFile>;
}

/** `file:line:column: field: message` */
export function problemText({ file, line, column, field, message }: PolicyProblem): string {
  const place = `${file}:${line}:${column}:`;
  return field === "" ? `${place} ${message}` : `${place} ${field}: ${message}`;
}

/** What an object is for, as a key among all kinds; null where its kind has no such rule. */
function subjectOf({ kind, object }: PolicyDocument): { key: string; text: string } | null {
  if (kind?.subject === undefined || object === null) return null;
  const text = kind.subject(object);
  return { key: `${kind.kind} ${text}`, text };
}

/** The objects that are taken, so that no two documents define the same one. */
class Claims {
  readonly #owners = new Map<string, SourceDocument>();
  readonly #subjects = new Map<string, SourceDocument>();

  /** Problems of a file's documents with each other and with what is taken. */
  clashes(file: PolicyFile): PolicyProblem[] {
    const own = new Map<string, SourceDocument>();
    const problems: PolicyProblem[] = this.#subjectClashes(file);
    for (const { source, kind } of file.documents) {
      if (kind === null) continue;
      const single = kind.single === true;
      const key = single ? kind.kind : source.title;
      const other = this.#owners.get(key) ?? own.get(key);
      own.set(key, source);
      if (other === undefined) continue;
      const { line, column } = other.locate([]);
      const where = `${other.file}:${line}:${column}`;
      const message =
        single && other.title !== source.title
          ? `only one ${kind.kind} can be in force, and ${other.title} is defined in ${where}`
          : `${source.title} is already defined in ${where}`;
      problems.push(source.problem(["metadata", "name"], message));
    }
    return problems;
  }

  #subjectClashes(file: PolicyFile): PolicyProblem[] {
    const own = new Map<string, SourceDocument>();
    return file.documents.flatMap((document) => {
      const subject = subjectOf(document);
      if (subject === null) return [];
      const { source } = document;
      const other = this.#subjects.get(subject.key) ?? own.get(subject.key);
      own.set(subject.key, source);
      // The same object twice is told as that.
      if (other === undefined || other.title === source.title) return [];
      const { line, column } = other.locate([]);
      const message =
        `${source.title} and ${other.title} are both for ${subject.text}; ` +
        `the other one is defined in ${other.file}:${line}:${column}`;
      return [source.problem(["metadata", "name"], message)];
    });
  }

  take(file: PolicyFile): void {
    for (const document of file.documents) {
      const subject = subjectOf(document);
      if (subject !== null) this.#subjects.set(subject.key, document.source);
    }
    for (const { source, kind } of file.documents) {
      if (kind !== null) this.#owners.set(kind.single === true ? kind.kind : source.title, source);
    }
  }
}

/** Files that go on unchanged come first: a clash is the fault of what is new. */
function inClaimOrder(
  newest: PolicyFile[],
  previous: ReadonlyMap<string, TrackedFile>,
): PolicyFile[] {
  const stays = (file: PolicyFile) => previous.get(file.file)?.serving === file;
  return [...newest.filter(stays), ...newest.filter((file) => !stays(file))];
}

function trackFiles(
  newest: PolicyFile[],
  previous: ReadonlyMap<string, TrackedFile>,
): Map<string, TrackedFile> {
  const claims = new Claims();
  const tracked = new Map<string, TrackedFile>();
  for (const file of inClaimOrder(newest, previous)) {
    const problems = file.problems.length > 0 ? file.problems : claims.clashes(file);
    let serving: PolicyFile | null = file;
    if (problems.length > 0) {
      serving = previous.get(file.file)?.serving ?? null;
      if (serving !== null && claims.clashes(serving).length > 0) serving = null;
    }
    if (serving !== null) claims.take(serving);
    tracked.set(file.file, { newest: file, serving, problems });
  }
  return new Map(newest.map(({ file }) => [file, tracked.get(file) as TrackedFile]));
}

function isUnchanged(newest: PolicyFile[], former: ReadonlyMap<string, TrackedFile>): boolean {
  return (
    newest.length === former.size && newest.every((file) => former.get(file.file)?.newest === file)
  );
}

function problemsOf(files: Iterable<TrackedFile>): PolicyProblem[] {
  return [...files].flatMap(({ problems }) => problems);
}

function refusalsOf(files: Iterable<TrackedFile>): PolicyProblem[] {
  return [...files].flatMap(({ newest }) =>
    newest.documents.flatMap(({ source, refusal }) =>
      refusal === null ? [] : [source.problem(["kind"], refusal)],
    ),
  );
}

function warningsOf(files: Iterable<TrackedFile>): PolicyProblem[] {
  return [...files].flatMap(({ newest }) =>
    newest.documents.flatMap(({ kind, object }) =>
      object === null ? [] : (kind?.warnings?.(object) ?? []),
    ),
  );
}

/**
 * Loads policies from texts by file name. Pure but for the hash; `loadPolicies` is this on a
 * folder. Never throws for what is in the texts.
 */
export function loadPolicyTexts(
  texts: ReadonlyMap<string, string>,
  options: LoadOptions = {},
  folderProblems: PolicyProblem[] = [],
): LoadedPolicies {
  const { kinds = POLICY_KINDS, previous } = options;
  const former = previous?.files ?? new Map<string, TrackedFile>();
  const newest = [...texts].map(([file, text]) => {
    const known = former.get(file)?.newest;
    return known?.text === text ? known : parsePolicyFile(file, text, kinds);
  });
  if (
    previous !== undefined &&
    isUnchanged(newest, former) &&
    isDeepStrictEqual(folderProblems, previous.folderProblems)
  ) {
    return previous;
  }
  const files = trackFiles(newest, former);
  const documents = [...files.values()]
    .flatMap(({ serving }) => serving?.documents ?? [])
    .filter(({ ignored }) => !ignored);
  const set = new CompiledPolicySet({ documents, files, folderProblems });
  return {
    set,
    documents,
    problems: [...folderProblems, ...problemsOf(files.values())],
    folderProblems,
    warnings: [
      ...refusalsOf(files.values()),
      ...warningsOf(files.values()),
      ...new Set([...set.warnings.values()].flat()),
    ],
    files,
  };
}

/** Whether one of the paths is the file's, or that of a folder above it. */
function isWithin(paths: ReadonlySet<string>, file: string): boolean {
  for (let path = file; ; path = dirname(path)) {
    if (paths.has(path)) return true;
    if (path === dirname(path)) return false;
  }
}

/**
 * Loads every .yaml, .yml and .json file below `dir`. Never throws for what it finds there: at
 * start the caller stops on `problems`; with `previous` what was good goes on serving.
 */
export async function loadPolicies(
  dir: string,
  options: LoadOptions = {},
): Promise<LoadedPolicies> {
  const { texts, problems, readable } = await readPolicyFolder(dir);
  const former = options.previous?.files ?? new Map<string, TrackedFile>();
  // What is there but cannot be read keeps its last text: a file, a linked folder or the whole.
  const unread = new Set(problems.map(({ file }) => file));
  for (const [file, { newest }] of former) {
    if (texts.has(file) || (readable && !isWithin(unread, file))) continue;
    texts.set(file, newest.text);
  }
  return loadPolicyTexts(texts, options, problems);
}
