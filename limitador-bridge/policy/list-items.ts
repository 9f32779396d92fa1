/**
 * `kind: List`, which is how `kubectl get -o yaml` prints several objects, and the lists of one
 * kind that the API server answers with. Pure.
 */
import type { SourceDocument } from "./source-document.ts";

/** Whether the document is a List of other objects. */
export function isList({ apiVersion, kind }: SourceDocument): boolean {
  return apiVersion === "v1" && kind === "List";
}

/**
 * The objects of a list, each as a document of its own; null where it has no list of them.
 * @param preset apiVersion and kind of items that say none, as in lists of one kind
 */
export function listItems(
  list: SourceDocument,
  preset: { apiVersion?: string; kind?: string } = {},
): SourceDocument[] | null {
  const { items } = list.value as { items?: unknown };
  if (!Array.isArray(items)) return null;
  return items.map((item: unknown, i) => {
    const isMap = typeof item === "object" && item !== null && !Array.isArray(item);
    return list.within(["items", i], isMap ? { ...preset, ...item } : item);
  });
}
