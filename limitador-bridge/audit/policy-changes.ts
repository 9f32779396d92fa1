/** What a reload changed, object by object. Pure. */
import { isDeepStrictEqual } from "node:util";
import type { PolicyDocument } from "../policy/policy-file.ts";
import type { AuditEntry } from "./audit-log.ts";

/** An object in force: LLMBudget, PriceTable, TokenRateLimitPolicy, Identity. */
export interface AuditedObject {
  kind: string;
  namespace: string;
  name: string;
  file: string;
  /** All that its file says of it, as plain JSON. */
  value: unknown;
}

/** The objects that are in force, without what is merely known. */
export function auditedObjects(documents: readonly PolicyDocument[]): AuditedObject[] {
  return documents.flatMap(({ object, kind, source }) => {
    if (object === null || kind === null) return [];
    const { namespace, name, file, value } = source;
    const plain: unknown = JSON.parse(JSON.stringify(value));
    return [{ kind: kind.kind, namespace, name: name ?? "", file, value: plain }];
  });
}

/**
 * The objects that came into force, changed or went out of force, each with what it said before
 * and what it says now.
 */
export function policyChanges(
  before: readonly AuditedObject[],
  after: readonly AuditedObject[],
): AuditEntry[] {
  const old = byName(before);
  const now = byName(after);
  const keys = [...new Set([...old.keys(), ...now.keys()])].sort();
  return keys.flatMap((key) => {
    const was = old.get(key);
    const is = now.get(key);
    const object = is ?? was;
    if (object === undefined || isDeepStrictEqual(was?.value, is?.value)) return [];
    const action = was === undefined ? "created" : is === undefined ? "deleted" : "changed";
    const { kind, namespace, name, file } = object;
    const states = { before: was?.value ?? null, after: is?.value ?? null };
    return [{ action: `policy_${action}`, kind, namespace, name, file, ...states }];
  });
}

function byName(objects: readonly AuditedObject[]): Map<string, AuditedObject> {
  return new Map(
    objects.map((object) => [JSON.stringify([object.kind, object.namespace, object.name]), object]),
  );
}
