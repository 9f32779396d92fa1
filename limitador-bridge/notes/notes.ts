/**
 * Small facts that all replicas share and that outlast them: grants, and which alerts were sent.
 * Beside the ledger, for they are looked up seldom and are no amounts.
 */

export interface Note {
  key: string;
  text: string;
  /** ms since 1970; from then on there is no such note. */
  expiresAtMs: number;
}

export interface Notes {
  /**
   * Writes a note where there is none of its key. Durable when it resolves.
   * @returns false: there is one, and nothing was changed
   * @throws where it cannot be written
   */
  add(note: Note): Promise<boolean>;
  /** The notes whose key begins with `prefix`, in the order of keys. */
  list(prefix: string): Promise<Note[]>;
  close(): Promise<void>;
}

/** The order of keys. */
export function byKey(a: Note, b: Note): number {
  return a.key < b.key ? -1 : 1;
}
