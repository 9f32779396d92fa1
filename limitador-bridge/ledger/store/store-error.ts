/**
 * The one error that the ledger and its stores throw on purpose.
 *
 * invalid_input       the caller's mistake; nothing was changed
 * unavailable         the store cannot be reached or cannot write; ask again later
 * overloaded          too many ask at one time
 * locked              another process has the embedded store's folder open
 * corrupt             a stored row cannot be read; the message names its key
 * unsupported_scheme  no store is known for this STORE url
 */
export type StoreErrorCode =
  | "invalid_input"
  | "unavailable"
  | "overloaded"
  | "locked"
  | "corrupt"
  | "unsupported_scheme";

export class StoreError extends Error {
  readonly code: StoreErrorCode;

  constructor(code: StoreErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "StoreError";
    this.code = code;
  }
}

/**
 * Of code unavailable: the store works and has what it was told, but not its replicas as yet.
 * Telling it again waits for them again, and counts nothing twice.
 */
export class NotReplicated extends StoreError {
  constructor(message: string) {
    super("unavailable", message);
    this.name = "NotReplicated";
  }
}

/** A StoreError of code invalid_input. */
export function invalidInput(message: string): StoreError {
  return new StoreError("invalid_input", message);
}
