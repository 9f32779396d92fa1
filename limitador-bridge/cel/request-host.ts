/** The host that policies compare: one text for all the ways to write the same one. Pure. */

/**
 * Host names have no letter case (RFC 3986 6.2.2.1), a dot at the end is the root that all of them
 * have, and the port is no part of the name: a client could send any.
 */
export function comparedHost(host: string): string {
  return host
    .replace(/:\d*$/, "")
    .replace(/(.)\.$/, "$1")
    .toLowerCase();
}
