import { FilterConfig } from "../filter-config";
import { Root } from "../root";
import { ByteWriter } from "../scan/json-write";
import { writeAdmit } from "./admit-call";
import { Answer, LeaseTerms } from "./answer";
import { Asker } from "./ask-queue";
import { RequestFacts } from "./request-facts";

/** Leave to admit a number of requests that are like the one that brought it, without asking. */
export class Lease extends Asker {
  /** Next in its bucket of the table. */
  next: Lease | null = null;
  readonly hash: u64;
  readonly expiresMs: i64;
  parts: i32;
  /** Requests under it whose settlement is not queued yet. */
  open: i32 = 0;
  private number: u64 = 0;

  constructor(
    private root: Root,
    readonly terms: LeaseTerms,
    /** What the service says to each request under it. */
    readonly answer: Answer,
    /** The request that brought it or, while it is renewed, the one that made it short. */
    readonly facts: RequestFacts,
    private config: FilterConfig | null,
    nowMs: i64,
  ) {
    super();
    this.hash = facts.hashOfKey();
    this.expiresMs = nowMs + terms.validMs;
    this.parts = terms.parts;
  }

  /** A request may go under it: takes one part. */
  take(facts: RequestFacts): bool {
    const most = this.terms.maxOutputTokens;
    const told = facts.maxOutputTokens;
    if (facts.inputBytes > this.terms.maxInputBytes) return false;
    if (most < 0 ? told >= 0 : told < 0 || told > most) return false;
    this.parts--;
    this.open++;
    return true;
  }

  /** Fewer than a quarter of the parts are left, and nobody has asked for more. */
  get isShort(): bool {
    return this.number == 0 && this.parts * 4 < this.terms.parts;
  }

  /** Asks for another one, off the way of any request; once. */
  renew(facts: RequestFacts): void {
    const root = this.root;
    if (root.circuit.isOpen) return;
    this.number = root.nextNumber();
    this.facts.copyFrom(facts);
    root.ask(this);
  }

  override writeAsk(out: ByteWriter): void {
    writeAdmit(this.root.nonce, this.number, this.facts, null, this.terms.id, out);
  }

  override onAnswer(answer: Answer | null): void {
    if (answer !== null) this.root.takeLease(answer, this.facts, this.config);
  }
}
