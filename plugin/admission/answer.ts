import { utf8 } from "../abi/text";
import { Ascii } from "../scan/ascii";
import { JsonNode } from "../scan/json-tree";
import { Bytes } from "../settlement/captured";
import { HeaderList } from "./header-list";

const LONGEST_LEASE_ID = 160;
const MOST_PARTS = 100_000;
const LONGEST_VALID_MS = 60_000;

/** A Lease of the contract, as the service grants it. */
export class LeaseTerms {
  /** JSON: a string. */
  id!: Bytes;
  parts: i32 = 0;
  validMs: i64 = 0;
  maxInputBytes: i64 = 0;
  /** -1: it is for requests that tell none. */
  maxOutputTokens: i64 = -1;

  /** null where it breaks the contract: then it is as if none had been granted. */
  static from(node: JsonNode): LeaseTerms | null {
    const terms = new LeaseTerms();
    const id = node.str(utf8("id"), "");
    terms.id = Bytes.quoted(id);
    const parts = node.int(utf8("parts"), 0);
    terms.parts = <i32>parts;
    terms.validMs = node.int(utf8("validMs"), 0);
    terms.maxInputBytes = node.int(utf8("maxInputBytes"), -1);
    const most = node.get(utf8("maxOutputTokens"));
    if (most === null) return null;
    if (most.type != Ascii.LowerN) {
      terms.maxOutputTokens = most.integer(-1);
      if (terms.maxOutputTokens < 0) return null;
    }
    const isRead =
      id.length > 0 &&
      id.length <= LONGEST_LEASE_ID &&
      parts > 0 &&
      parts <= MOST_PARTS &&
      terms.validMs > 0 &&
      terms.validMs <= LONGEST_VALID_MS &&
      terms.maxInputBytes >= 0;
    return isRead ? terms : null;
  }
}

/** Where a stream is ended: a Cut of the contract. */
export class Cut {
  constructor(
    readonly afterOutputBytes: i64,
    /** What the client gets then, instead of all that follows. */
    readonly closing: Bytes,
  ) {}
}

/** What the service said to an admit call. */
export class Answer {
  allowed: bool = false;
  /** JSON: a string; null: nothing is held. */
  reservation: Bytes | null = null;
  /** "": the model asked for. */
  model: string = "";
  /** -1: as the client asked. */
  maxOutputTokens: i64 = -1;
  requestHeaders: HeaderList | null = null;
  responseHeaders: HeaderList | null = null;
  lease: LeaseTerms | null = null;
  cut: Cut | null = null;
  denyStatus: i32 = 0;
  denyHeaders: JsonNode | null = null;
  denyBody: string = "";

  /** null where it is no answer, which counts as a failed call. */
  static from(node: JsonNode): Answer | null {
    const verdict = node.get(utf8("verdict"));
    if (verdict === null) return null;
    const answer = new Answer();
    if (verdict.is(utf8("allow"))) {
      answer.readAllow(node);
      return answer;
    }
    const deny = node.get(utf8("deny"));
    if (!verdict.is(utf8("deny")) || deny === null) return null;
    const status = deny.int(utf8("status"), 0);
    if (status < 400 || status > 599) return null;
    answer.denyStatus = <i32>status;
    answer.denyHeaders = deny.get(utf8("headers"));
    answer.denyBody = deny.str(utf8("body"), "");
    return answer;
  }

  private readAllow(node: JsonNode): void {
    this.allowed = true;
    const reservation = node.str(utf8("reservation"), "");
    if (reservation != "") this.reservation = Bytes.quoted(reservation);
    this.model = node.str(utf8("model"), "");
    this.maxOutputTokens = node.int(utf8("maxOutputTokens"), -1);
    this.requestHeaders = HeaderList.from(node.get(utf8("requestHeaders")));
    this.responseHeaders = HeaderList.from(node.get(utf8("responseHeaders")));
    const lease = node.get(utf8("lease"));
    if (lease !== null) this.lease = LeaseTerms.from(lease);
    const cut = node.get(utf8("cut"));
    if (cut === null) return;
    const after = cut.int(utf8("afterOutputBytes"), -1);
    if (after >= 0) this.cut = new Cut(after, Bytes.of(cut.str(utf8("closing"), "")));
  }
}
