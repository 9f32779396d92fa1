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

function recognise(source: SourceDocument, kinds: readonly PolicyKind[]): PolicyDocument {
  for (const field of ["apiVersion", "kind"] as const) {
    if (source[field] === null) {
      const message = "is missing: expected a Kubernetes object with apiVersion, kind and metadata";
      return unrecognised(source, [source.problem([field], message)]);
    }
  }
  const match = findKind(kinds, source.apiVersion as string, source.kind as string);
  if (match === "ignored") return unrecognised(source, []);
  if ("problem" in match)
    return unrecognised(source, [source.problem([match.field], match.problem)]);
  const { kind } = match;
  if (source.name === null) {
    const problem = source.problem(["metadata", "name"], "is missing: expected a name");
    return { source, kind, object: null, problems: [problem], refusal: null, ignored: false };
  }
  const { object, problems, refusal = null } = kind.load(source);
  return { source, kind, object, problems, refusal, ignored: false };
}

/** The document, or those that it lists. */
function recogniseAll(source: SourceDocument, kinds: readonly PolicyKind[]): PolicyDocument[] {
  if (!isList(source)) return [recognise(source, kinds)];
  const items = listItems(source);
  if (items !== null) return items.flatMap((item) => recogniseAll(item, kinds));
  const message = "expected the objects of the List, found no list";
  return [unrecognised(source, [source.problem(["items"], message)])];
}

/** Reads the text of one file. Never throws; what is wrong is in the result's problems. */
export function parsePolicyFile(
  file: string,
  text: string,
  kinds: readonly PolicyKind[],
): PolicyFile {
  const { sources, problems } = readYamlFile(file, text);
  const documents = sources.flatMap((source) => recogniseAll(source, kinds));
  return {
    file,
    text,
    documents,
    problems: [...problems, ...documents.flatMap((document) => document.problems)],
  };
}
