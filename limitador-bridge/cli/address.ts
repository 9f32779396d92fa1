/** Hosts as parts listen at them, and as others reach them. Pure. */
import { isIPv6 } from "node:net";

/** Who listens at all addresses is reached at the loopback one; by the host of a URL. */
const LOOPBACKS: Record<string, string> = { "0.0.0.0": "127.0.0.1", "[::]": "::1" };

/** A name or an address as URLs have it: IPv6 in brackets. */
export function urlHost(host: string): string {
  return isIPv6(host) ? `[${host}]` : host;
}

/** Whether a URL can have this host: a name or an address, without port, brackets and zone. */
export function isHost(host: string): boolean {
  return /^[^/?#@[\]\s]+$/.test(host) && URL.canParse(`http://${urlHost(host)}:1`);
}

/**
 * Where this machine reaches what listens at `host`, which has to be one (isHost): in place of a
 * wildcard its loopback address, without brackets.
 */
export function reachableHost(host: string): string {
  return LOOPBACKS[new URL(`http://${urlHost(host)}`).hostname] ?? host;
}
