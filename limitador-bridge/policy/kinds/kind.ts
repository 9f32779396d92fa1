/** What the loader knows of a kind of policy object. To add a kind, register one of these. */
import type { PolicyProblem } from "../policy-set.ts";
import type { SourceDocument } from "../source-document.ts";

/** What a kind made of one document. */
export interface LoadedObject<T = unknown> {
  /** Null where there are problems. */
  object: T | null;
  problems: PolicyProblem[];
  /**
   * Known, but not enforced: shown in the status as not accepted, without breaking the file that
   * it stands in.
   */
  refusal?: string;
}

export interface PolicyKind<T = unknown> {
  apiVersion: string;
  /** Other versions of the same object. */
  olderVersions?: readonly string[];
  kind: string;
  /** Someone else's object: other kinds of its group are no typos of it. */
  isForeign?: boolean;
  /** JSON schema of the whole document; written to policies/schema. */
  schema?: object;
  /** Only one object of this kind may be in force. */
  single?: boolean;
  /** What the object is for, in words: no two objects in force may have the same subject. */
  subject?(object: T): string;
  /** What is allowed in the object, but probably not what was meant. */
  warnings?(object: T): readonly PolicyProblem[];
  /** What is wrong with a document beside what `load` tells. */
  check?(document: SourceDocument): PolicyProblem[];
  load(document: SourceDocument): LoadedObject<T>;
}
