/**
 * Names of the counters of budgets, never two for one:
 *
 *   org/<name>             budget/<team>              budget/*  of unknown teams together
 *   budget/<team>/app/<app>  …/user/<user>  …/model/<pattern>  …/task/<task>
 */
import { createHash } from "node:crypto";

/** Longer names are hashed, so that no client can make keys of any size. */
const MAX_NAME_CHARS = 256;
const NOBODY = "*";

/** A name within a key; null is whoever is not known, which no name can be. */
export function keyPart(name: string | null): string {
  if (name === null) return NOBODY;
  if (name.length > MAX_NAME_CHARS) {
    return `sha256:${createHash("sha256").update(name).digest("hex")}`;
  }
  // Stores keep UTF-8, which has no lone surrogates.
  const text = name.toWellFormed();
  if (text === NOBODY) return "%2A";
  return text.replace(/[%/|\n]/g, (char) => {
    const code = char.charCodeAt(0).toString(16).toUpperCase();
    return `%${code.padStart(2, "0")}`;
  });
}

/** The name that keyPart wrote; null for whoever is not known. A hash stays one. */
export function nameOfPart(part: string): string | null {
  if (part === NOBODY) return null;
  return part.replace(/%([0-9A-F]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

/** Counter of a team's budget. */
export function teamKey(team: string | null): string {
  return `budget/${keyPart(team)}`;
}

/** Counter of an organization's budget. */
export function organizationKey(organization: string): string {
  return `org/${keyPart(organization)}`;
}
