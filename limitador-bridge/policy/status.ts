/** What /v1/policies says of each object in the folder. Pure. */
import type { TokenRateLimitPolicy } from "./kinds/token-rate-limit.ts";
import type { TrackedFile } from "./load.ts";
import type { PolicyDocument } from "./policy-file.ts";
import type { PolicyProblem, PolicyStatus } from "./policy-set.ts";

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
  const { group, kind, name } = object.targetRef;
  return { targetRef: { group, kind, name }, limits: object.limits.map((limit) => limit.name) };
}

function objectKey({ source }: PolicyDocument): string {
  return `${source.apiVersion} ${source.title}`;
}

function documentStatus(
  document: PolicyDocument,
  serving: ReadonlyMap<string, PolicyDocument>,
  fileProblems: PolicyProblem[],
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
    ...detailOf(last ?? document),
  };
}

/** Of a broken file every object shows the file's problems, for none of it is in force. */
function fileStatuses({ newest, serving, problems }: TrackedFile): PolicyStatus[] {
  const serves = new Map(serving?.documents.map((document) => [objectKey(document), document]));
  const present = new Set(newest.documents.map(objectKey));
  const gone = [...serves].flatMap(([key, document]) => (present.has(key) ? [] : [document]));
  const shown = [...newest.documents, ...gone];
  const statuses = shown.map((document) => documentStatus(document, serves, problems));
  if (statuses.length > 0 || problems.length === 0) return statuses;
  const unknown = { kind: "", namespace: "", name: "", file: newest.file };
  return [{ ...unknown, accepted: false, problems, inForce: false }];
}

/** One entry per object, in the order of files and documents. */
export function policyStatuses(files: Iterable<TrackedFile>): PolicyStatus[] {
  return [...files].flatMap(fileStatuses);
}
