/**
 * Writes every change of policies, budgets and prices to the audit log, also those that were made
 * while no service ran: what was in force last is kept beside the log.
 */
import { readFile, rename, writeFile } from "node:fs/promises";
import type { Log } from "../admission/ports.ts";
import type { AuditLog } from "./audit-log.ts";
import { type AuditedObject, policyChanges } from "./policy-changes.ts";

export interface PolicyAudit {
  /** Takes what is in force from now on; at once, and without throwing. */
  inForce(objects: AuditedObject[]): void;
  /** Resolves when all is written. */
  flush(): Promise<void>;
}

/** @param lastPath file with what was in force last */
export async function openPolicyAudit(
  lastPath: string,
  audit: AuditLog,
  log: Log,
): Promise<PolicyAudit> {
  let last = await readLast(lastPath, log);
  let writing: Promise<void> = Promise.resolve();
  const write = async (objects: AuditedObject[]) => {
    try {
      const changes = policyChanges(last, objects);
      if (changes.length === 0) return;
      await audit.append(changes);
      last = objects;
      await writeFile(`${lastPath}.next`, JSON.stringify(objects));
      await rename(`${lastPath}.next`, lastPath);
    } catch (error) {
      log.error({ err: error }, "audit log not written: a change of policies is missing in it");
    }
  };
  return {
    inForce(objects) {
      writing = writing.then(() => write(objects));
    },
    flush: () => writing,
  };
}

async function readLast(path: string, log: Log): Promise<AuditedObject[]> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as AuditedObject[];
  } catch (error) {
    if ((error as { code?: string }).code !== "ENOENT") {
      log.error({ err: error, path }, "not readable: the audit log tells of all policies anew");
    }
    return [];
  }
}
