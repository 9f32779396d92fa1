/**
 * Functions that cel-js has, but not as CEL defines them. It takes no second function for one, so
 * rewrite.ts gives calls the names here, which other modules register functions under. Pure.
 */

/** Names as policies write them, and those that calls are given. */
export const RENAMED_FUNCTIONS: ReadonlyMap<string, string> = new Map([
  ["matches", "matchesWithinLimit"],
  ["lowerAscii", "lowerAsciiLetters"],
  ["upperAscii", "upperAsciiLetters"],
  ["indexOf", "indexOfCharacters"],
  ["lastIndexOf", "lastIndexOfCharacters"],
  ["substring", "substringOfCharacters"],
  ["int", "intWithinRange"],
  ["uint", "unsignedWithinRange"],
  ["getDate", "getDateInZone"],
  ["getDayOfMonth", "getDayOfMonthInZone"],
  ["getDayOfWeek", "getDayOfWeekInZone"],
  ["getDayOfYear", "getDayOfYearInZone"],
  ["getFullYear", "getFullYearInZone"],
  ["getHours", "getHoursInZone"],
  ["getMilliseconds", "getMillisecondsInZone"],
  ["getMinutes", "getMinutesInZone"],
  ["getMonth", "getMonthInZone"],
  ["getSeconds", "getSecondsInZone"],
]);

/** The name that calls of the function `name` are given. */
export function ownName(name: string): string {
  return RENAMED_FUNCTIONS.get(name) ?? name;
}

/** The text with the names that policies write. */
export function withPublishedNames(text: string): string {
  let published = text;
  for (const [name, own] of RENAMED_FUNCTIONS) published = published.replaceAll(own, name);
  return published;
}
