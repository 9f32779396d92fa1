/**
 * When to look for garbage. It takes as long as all that lives is large, while most exchanges leave
 * nothing behind, so it is done where enough has come together, and never in a callback of a
 * stream. How much has is estimated: the heap does not tell.
 */
const ENOUGH_BYTES: i32 = 1 << 18;
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

/** Collects where it is time to. Only where nothing lives on the stack alone. */
export function collectWhenDue(): void {
  if (bytes == 0 || (bytes < ENOUGH_BYTES && ++ticks < MOST_TICKS)) return;
  bytes = 0;
  ticks = 0;
  __collect();
}
