/** What /v1/policies says of each object in the folder, and of the folder itself. Pure. */
import type { TokenRateLimitPolicy } from "./kinds/token-rate-limit.ts";
import type { TrackedFile } from "./load.ts";
import type { PolicyDocument } from "./policy-file.ts";
import type { PolicyProblem, PolicyStatus } from "./policy-set.ts";
import type { SourceDocument } from "./source-document.ts";

/** What is known beside the files' own problems. */
export interface StatusParts {
  /** Of the folder itself, and of files that cannot be read. */
  folderProblems: readonly PolicyProblem[];
  /** Of policies in force, by their documents. */
  setWarnings: ReadonlyMap<SourceDocument, readonly PolicyProblem[]>;
}

function identityOf({ source }: PolicyDocument) {
  return {
    kind: source.kind ?? "",
    namespace: source.namespace,
    name: source.name ?? "",
    file: source.file,
  };
}

function isPolicy(object: unknown): object is TokenRateLimitPolicy {
  return typeof object === "object" && object !== null && "targetRef" in object;
}

function detailOf({ object }: PolicyDocument): Pick<PolicyStatus, "targetRef" | "limits"> {
  if (!isPolicy(object)) return {};
  return { targetRef: object.targetRef, limits: object.limits.map((limit) => limit.name) };
}

function warningsOf(
  { source, kind, object }: PolicyDocument,
  setWarnings: StatusParts["setWarnings"],
): Pick<PolicyStatus, "warnings"> {
  const own = object === null ? [] : (kind?.warnings?.(object) ?? []);
  const warnings = [...own, ...(setWarnings.get(source) ?? [])];
  return warnings.length === 0 ? {} : { warnings };
}

function objectKey({ source }: PolicyDocument): string {
  return `${source.apiVersion} ${source.title}`;
}

function documentStatus(
  document: PolicyDocument,
  serving: ReadonlyMap<string, PolicyDocument>,
  fileProblems: PolicyProblem[],
  setWarnings: StatusParts["setWarnings"],
): PolicyStatus {
  if (document.ignored) {
    return {
      ...identityOf(document),
      accepted: false,
      problems: [],
      inForce: false,
      ignored: true,
    };
  }
  const refusals =
    document.refusal === null ? [] : [document.source.problem(["kind"], document.refusal)];
  const problems = [...fileProblems, ...refusals];
  const last = serving.get(objectKey(document));
  return {
    ...identityOf(document),
    accepted: problems.length === 0,
    problems,
    inForce: last !== undefined && last.object !== null,
    ...warningsOf(last ?? document, setWarnings),
    ...detailOf(last ?? document),
  };
}

/** What has no objects to show its problems. */
function unknownStatus(file: string, problems: PolicyProblem[]): PolicyStatus {
  return { kind: "", namespace: "", name: "", file, accepted: false, problems, inForce: false };
}

/** Of a broken file every object shows the file's problems, for none of it is in force. */
function fileStatuses(
  { newest, serving, problems: own }: TrackedFile,
  { folderProblems, setWarnings }: StatusParts,
): PolicyStatus[] {
  const problems = [...own, ...folderProblems.filter(({ file }) => file === newest.file)];
  const serves = new Map(serving?.documents.map((document) => [objectKey(document), document]));
  const present = new Set(newest.documents.map(objectKey));
  const gone = [...serves].flatMap(([key, document]) => (present.has(key) ? [] : [document]));
  const shown = [...newest.documents, ...gone];
  const statuses = shown.map((document) => documentStatus(document, serves, problems, setWarnings));
  if (statuses.length > 0 || problems.length === 0) return statuses;
  return [unknownStatus(newest.file, problems)];
}

/** What cannot be read, first; then one entry per object, in the order of files and documents. */
export function policyStatuses(tracked: Iterable<TrackedFile>, parts: StatusParts): PolicyStatus[] {
  const files = [...tracked];
  const known = new Set(files.map(({ newest }) => newest.file));
  const unread = parts.folderProblems.filter(({ file }) => !known.has(file));
  return [
    ...unread.map((problem) => unknownStatus(problem.file, [problem])),
    ...files.flatMap((file) => fileStatuses(file, parts)),
  ];
}
