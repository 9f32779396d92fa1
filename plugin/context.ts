/** What the host knows by a number: a root or a stream. */
export abstract class Context {
  id: u32 = 0;
  /** Next in its bucket of the table. */
  nextContext: Context | null = null;
}
