/** Which Gateway is meant, by parentRefs of HTTPRoutes and by targets of policies. Pure. */

export interface GatewayRef {
  /** Null: no file says it, and whoever applies the file decides. */
  namespace: string | null;
  name: string;
}

/** Whether both can be the same Gateway: a namespace that nobody says can be any. */
export function mayBeSame(a: GatewayRef, b: GatewayRef): boolean {
  if (a.name !== b.name) return false;
  return a.namespace === null || b.namespace === null || a.namespace === b.namespace;
}

/** A key of the reference among all others. */
export function gatewayKey({ namespace, name }: GatewayRef): string {
  return JSON.stringify([namespace, name]);
}
