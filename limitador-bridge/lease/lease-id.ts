/** The ids of leases, told from those of requests: the filter's end with a number. */

const SUFFIX = ".lease";

/** The id of the lease that is granted with the answer to a request. */
export function leaseIdOf(requestId: string): string {
  return requestId + SUFFIX;
}

export function isLeaseId(id: string): boolean {
  return id.endsWith(SUFFIX);
}
