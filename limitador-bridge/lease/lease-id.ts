/** The ids of leases, told from those of requests: the filter's end with a number. */
import { randomBytes } from "node:crypto";

const SUFFIX = ".lease";
const OWN_BYTES = 6;

/**
 * A new id for the lease that is granted with the answer to a request. No two are the same: under
 * the id of a lease that is known the ledger would hold nothing for another, and the same ask may
 * come twice, also to two replicas.
 */
export function newLeaseId(requestId: string): string {
  return `${requestId}.${randomBytes(OWN_BYTES).toString("hex")}${SUFFIX}`;
}

export function isLeaseId(id: string): boolean {
  return id.endsWith(SUFFIX);
}
