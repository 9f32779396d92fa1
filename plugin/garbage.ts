/**
 * When to look for garbage. It takes as long as all that lives is large, while most exchanges leave
 * nothing behind, so it is done where enough has come together, and never in a callback of a
 * stream. How much has is estimated: the heap does not tell.
 */
const ENOUGH_BYTES: i32 = 1 << 18;
/** With many streams open it is so much for each, or what is looked at grows with them. */
const ENOUGH_BYTES_PER_CONTEXT: i32 = 1 << 10;
/** What is less than that is collected at the latest after so many ticks. */
const MOST_TICKS: i32 = 100;

/** About what a byte of JSON takes, read into a tree. */
export const BYTES_PER_JSON_BYTE: i32 = 16;

let bytes: i32 = 0;
let ticks: i32 = 0;

/** About so many bytes have been made that will be garbage one day. */
export function litters(about: i32): void {
  bytes += about;
}

/**
 * Collects where it is time to. Only where nothing lives on the stack alone.
 * @param contexts how many live
 */
export function collectWhenDue(contexts: i32): void {
  const enough = max(ENOUGH_BYTES, contexts * ENOUGH_BYTES_PER_CONTEXT);
  if (bytes == 0 || (bytes < enough && ++ticks < MOST_TICKS)) return;
  bytes = 0;
  ticks = 0;
  __collect();
}
