import { JsonNode, parseJson } from "../scan/json-tree";

/** What the service said to an admit call. */
export class Answer {
  allowed: bool = false;
  reservation: string = "";
  /** "": the model asked for. */
  model: string = "";
  /** -1: as the client asked. */
  maxOutputTokens: i64 = -1;
  requestHeaders: JsonNode | null = null;
  responseHeaders: JsonNode | null = null;
  denyStatus: i32 = 0;
  denyHeaders: JsonNode | null = null;
  denyBody: string = "";

  /** Reads the JSON at `ptr`; null when it is no answer, which counts as a failed call. */
  static parse(ptr: usize, length: i32): Answer | null {
    const root = parseJson(ptr, length);
    if (root === null) return null;
    const verdict = root.str("verdict", "");
    const answer = new Answer();
    answer.responseHeaders = root.get("responseHeaders");
    if (verdict == "allow") {
      answer.allowed = true;
      answer.reservation = root.str("reservation", "");
      answer.model = root.str("model", "");
      answer.maxOutputTokens = root.int("maxOutputTokens", -1);
      answer.requestHeaders = root.get("requestHeaders");
      return answer;
    }
    const deny = root.get("deny");
    if (verdict != "deny" || deny === null) return null;
    const status = deny.int("status", 0);
    if (status < 400 || status > 599) return null;
    answer.denyStatus = <i32>status;
    answer.denyHeaders = deny.get("headers");
    answer.denyBody = deny.str("body", "");
    return answer;
  }
}
