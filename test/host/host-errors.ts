/** A mistake in a test, or a module that Envoy would not take. */
export class HostError extends Error {
  override name = "HostError";
}

/** The module refused to start; the message holds what it logged. */
export class RefusedError extends HostError {
  override name = "RefusedError";
}

/** The module trapped: in Envoy the whole VM would be gone. */
export class HostTrap extends Error {
  override name = "HostTrap";
  readonly callback: string;
  readonly contextId: number;

  constructor(callback: string, contextId: number, cause: unknown) {
    super(`trap in ${callback} of context ${contextId}: ${String(cause)}`, { cause });
    this.callback = callback;
    this.contextId = contextId;
  }
}
