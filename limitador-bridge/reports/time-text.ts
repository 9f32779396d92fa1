/** Dates and times as people and tools write them. Pure. */

const DATE = /^(\d{4})-(\d\d)-(\d\d)$/;
const HOUR_MINUTE = "(?:[01]\\d|2[0-3]):[0-5]\\d";
const SECOND = "(?::[0-5]\\d(?:\\.\\d{1,9})?)?";
/** RFC 3339, section 5.6: date-time, whose seconds may be left out here. */
const TIME = new RegExp(
  `^(\\d{4})-(\\d\\d)-(\\d\\d)T${HOUR_MINUTE}${SECOND}(?:Z|[+-]${HOUR_MINUTE})$`,
);

/**
 * Ms since 1970 of a date and a time with its zone (RFC 3339); null where it is none, also where
 * there is no such day. A leap second is none.
 */
export function timeOfText(text: string): number | null {
  return read(TIME, text.toUpperCase());
}

/** As timeOfText; a date alone is its first moment in UTC. */
export function dateOrTimeOfText(text: string): number | null {
  return read(DATE, text) ?? timeOfText(text);
}

function read(form: RegExp, text: string): number | null {
  const [, year, month, day] = form.exec(text) ?? [];
  if (year === undefined || !isDay(Number(year), Number(month), Number(day))) return null;
  return Date.parse(text);
}

/** JavaScript takes 30 February for 2 March. */
function isDay(year: number, month: number, day: number): boolean {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
}
