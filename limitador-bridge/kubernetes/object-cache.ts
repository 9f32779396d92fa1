/** The objects of the cluster as they are known here. */
import type { ClusterObject } from "./cluster-object.ts";
import type { MirroredKind } from "./kinds.ts";

interface Known {
  objects: Map<string, ClusterObject>;
  hasStatus: boolean;
}

function keyOf({ metadata }: ClusterObject): string {
  return `${metadata.namespace}/${metadata.name}`;
}

/** Objects by kind; written by those that follow the kinds, read by all else. */
export class ObjectCache {
  readonly #kinds = new Map<MirroredKind, Known>();

  /** Takes a whole list in place of what was known; `hasStatus`: there is a status subresource. */
  replace(kind: MirroredKind, objects: readonly ClusterObject[], hasStatus: boolean): void {
    const byKey = new Map(objects.map((object) => [keyOf(object), object]));
    this.#kinds.set(kind, { objects: byKey, hasStatus });
  }

  put(kind: MirroredKind, object: ClusterObject): void {
    this.#kinds.get(kind)?.objects.set(keyOf(object), object);
  }

  remove(kind: MirroredKind, object: ClusterObject): void {
    this.#kinds.get(kind)?.objects.delete(keyOf(object));
  }

  /** The kinds of which a list was seen: only of these is it known what there is not. */
  listed(): MirroredKind[] {
    return [...this.#kinds.keys()];
  }

  hasStatus(kind: MirroredKind): boolean {
    return this.#kinds.get(kind)?.hasStatus ?? false;
  }

  /** All objects, the oldest first. */
  all(): { kind: MirroredKind; object: ClusterObject }[] {
    const found = [...this.#kinds].flatMap(([kind, { objects }]) =>
      [...objects.values()].map((object) => ({ kind, object })),
    );
    const ageKey = ({ object }: { object: ClusterObject }) =>
      `${object.metadata.creationTimestamp ?? ""} ${keyOf(object)}`;
    return found.sort((a, b) => (ageKey(a) < ageKey(b) ? -1 : 1));
  }
}
