/** An object as the API server gives it. */

export interface ClusterObject {
  metadata: {
    name: string;
    namespace: string;
    /** Counts the versions of the spec. */
    generation?: number;
    creationTimestamp?: string;
    resourceVersion?: string;
  };
  status?: Record<string, unknown>;
  [field: string]: unknown;
}

/** RFC 1123: a namespace is a label, a name is labels with dots between. */
const NAMESPACE = /^[a-z0-9][a-z0-9-]*$/;
const NAME = /^[a-z0-9][a-z0-9.-]*$/;

/**
 * The object, where it is one.
 * @returns null for what has not the name and the namespace of an object: they name a file
 */
export function asClusterObject(value: unknown): ClusterObject | null {
  const { name, namespace } = (value as ClusterObject | null)?.metadata ?? {};
  if (typeof name !== "string" || typeof namespace !== "string") return null;
  return NAME.test(name) && NAMESPACE.test(namespace) ? (value as ClusterObject) : null;
}

/** What the object is called in messages: `LLMBudget ml-platform/ml-team-budget`. */
export function titleOf(kind: string, { metadata }: ClusterObject): string {
  return `${kind} ${metadata.namespace}/${metadata.name}`;
}
