/** One policy file: its YAML or JSON documents, recognised, checked and compiled. Pure. */
import type { PolicyKind } from "./kinds/kind.ts";
import { findKind } from "./kinds/registry.ts";
import { isList, listItems } from "./list-items.ts";
import type { PolicyProblem } from "./policy-set.ts";
import type { SourceDocument } from "./source-document.ts";
import { readYamlFile } from "./yaml-file.ts";

export interface PolicyDocument {
  source: SourceDocument;
  /** Null: ignored, or not recognised. */
  kind: PolicyKind | null;
  /** What the kind made of it; null where there are problems or it is not enforced. */
  object: unknown;
  problems: PolicyProblem[];
  /** Why a known kind is not enforced. */
  refusal: string | null;
  ignored: boolean;
}

export interface PolicyFile {
  file: string;
  text: string;
  documents: PolicyDocument[];
  /** Syntax errors and the documents' problems; the file serves only where there are none. */
  problems: PolicyProblem[];
}

function unrecognised(source: SourceDocument, problems: PolicyProblem[]): PolicyDocument {
  return {
    source,
    kind: null,
    object: null,
    problems,
    refusal: null,
    ignored: problems.length === 0,
  };
}

/** A document of a kind that is known. */
function loadKind(source: SourceDocument, kind: PolicyKind): PolicyDocument {
  if (source.name === null) {
    const problem = source.problem(["metadata", "name"], "is missing: expected a name");
    return { source, kind, object: null, problems: [problem], refusal: null, ignored: false };
  }
  const { object, problems: found, refusal = null } = kind.load(source);
  const problems = [...(kind.check?.(source) ?? []), ...found];
  const loaded = problems.length > 0 ? null : object;
  return { source, kind, object: loaded, problems, refusal, ignored: false };
}

/** The document, or those that it lists. */
function recognise(source: SourceDocument, kinds: readonly PolicyKind[]): PolicyDocument[] {
  if (isList(source)) return recogniseItems(source, listItems(source), kinds);
  const { apiVersion, kind } = source;
  if (apiVersion === null || kind === null) {
    const field = apiVersion === null ? "apiVersion" : "kind";
    const message = "is missing: expected a Kubernetes object with apiVersion, kind and metadata";
    return [unrecognised(source, [source.problem([field], message)])];
  }
  const match = findKind(kinds, apiVersion, kind);
  if (match === "ignored") return [unrecognised(source, [])];
  if ("problem" in match) {
    return [unrecognised(source, [source.problem([match.field], match.problem)])];
  }
  if ("kind" in match) return [loadKind(source, match.kind)];
  const items = listItems(source, { apiVersion, kind: match.listOf.kind });
  return recogniseItems(source, items, kinds);
}

function recogniseItems(
  list: SourceDocument,
  items: SourceDocument[] | null,
  kinds: readonly PolicyKind[],
): PolicyDocument[] {
  if (items !== null) return items.flatMap((item) => recognise(item, kinds));
  const message = `expected the objects of the ${list.kind}, found no list`;
  return [unrecognised(list, [list.problem(["items"], message)])];
}

/** Reads the text of one file. Never throws; what is wrong is in the result's problems. */
export function parsePolicyFile(
  file: string,
  text: string,
  kinds: readonly PolicyKind[],
): PolicyFile {
  const { sources, problems } = readYamlFile(file, text);
  const documents = sources.flatMap((source) => recognise(source, kinds));
  return {
    file,
    text,
    documents,
    problems: [...problems, ...documents.flatMap((document) => document.problems)],
  };
}
