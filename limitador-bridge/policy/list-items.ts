/** `kind: List`, which is how `kubectl get -o yaml` prints several objects. Pure. */
import type { SourceDocument } from "./source-document.ts";

/** Whether the document is a List of other objects. */
export function isList({ apiVersion, kind }: SourceDocument): boolean {
  return apiVersion === "v1" && kind === "List";
}

/** The objects of a List, each as a document of its own; null where it has no list of them. */
export function listItems(list: SourceDocument): SourceDocument[] | null {
  const { items } = list.value as { items?: unknown };
  if (!Array.isArray(items)) return null;
  return items.map((item: unknown, i) => list.within(["items", i], item));
}
