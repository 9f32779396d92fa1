/** Objects as files of the policy folder. Pure. */
import { createHash } from "node:crypto";
import type { ClusterObject } from "./cluster-object.ts";
import { MIRRORED_KINDS, type MirroredKind } from "./kinds.ts";

/** File systems take names of 255 bytes, and a file is written under a longer name first. */
const MAX_NAME_LENGTH = 240;
const ENDING = ".yaml";
const HASH_LENGTH = 16;
const OWN_NAME = /^([a-z]+)\.[a-z0-9-]+\.[a-z0-9][a-z0-9.~-]*\.yaml$/;
/** What YAML, unlike JSON, does not take as it is, and what no editor shows. */
const UNPRINTABLE = /[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g;

/** Kinds by the first part of their files' names. */
const KINDS = new Map(MIRRORED_KINDS.map((kind) => [kind.kind.toLowerCase(), kind]));

/**
 * `<kind>.<namespace>.<name>.yaml`; a name too long for a file is cut, with a hash in place of
 * the rest after a "~", which no object's name has.
 */
export function fileNameOf({ kind }: MirroredKind, { metadata }: ClusterObject): string {
  const { namespace, name } = metadata;
  const whole = `${kind.toLowerCase()}.${namespace}.${name}`;
  if (whole.length + ENDING.length <= MAX_NAME_LENGTH) return whole + ENDING;
  const hash = createHash("sha256").update(whole).digest("hex").slice(0, HASH_LENGTH);
  const room = MAX_NAME_LENGTH - ENDING.length - HASH_LENGTH - 1;
  return `${whole.slice(0, room)}~${hash}${ENDING}`;
}

/** The kind whose object a file of this name is; null where the file is not of this program. */
export function kindOfFile(name: string): MirroredKind | null {
  return KINDS.get(OWN_NAME.exec(name)?.[1] ?? "") ?? null;
}

/**
 * The file's text: JSON, which is YAML too. Of the metadata only what the service reads: all else
 * (resourceVersion, annotations) changes when the object means the same, above all with each
 * status that is written, and a changed file is a reload.
 */
export function fileTextOf(kind: MirroredKind, object: ClusterObject): string {
  const { apiVersion: _, kind: __, metadata, status: ___, ...rest } = object;
  const { name, namespace, creationTimestamp } = metadata;
  const whole = {
    apiVersion: `${kind.group}/${kind.version}`,
    kind: kind.kind,
    metadata: { name, namespace, creationTimestamp },
    ...rest,
  };
  const text = JSON.stringify(whole, null, 2).replace(
    UNPRINTABLE,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return `${text}\n`;
}

export interface FolderPlan {
  /** Texts by file name. */
  write: Map<string, string>;
  remove: string[];
}

/**
 * What makes a folder what it should be.
 * @param present texts of the folder's files by name
 * @param listed kinds of which all objects are known; files of others stay
 */
export function planFolder(
  present: ReadonlyMap<string, string>,
  wanted: ReadonlyMap<string, string>,
  listed: readonly MirroredKind[],
): FolderPlan {
  const write = new Map([...wanted].filter(([name, text]) => present.get(name) !== text));
  const remove = [...present.keys()].filter((name) => {
    const kind = kindOfFile(name);
    return kind !== null && listed.includes(kind) && !wanted.has(name);
  });
  return { write, remove };
}
