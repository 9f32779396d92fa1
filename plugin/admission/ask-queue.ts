import { Body, bodyBytes, callStatus, handedLength, handedPtr } from "../abi/host";
import { release } from "../abi/memory";
import { utf8 } from "../abi/text";
import { Circuit } from "../circuit";
import { Context } from "../context";
import { BYTES_PER_JSON_BYTE, litters } from "../garbage";
import { JsonNode, parseJson } from "../scan/json-tree";
import { ByteWriter } from "../scan/json-write";
import { ServiceClient } from "../service-client";
import { Answer } from "./answer";

/** Calls that are under way at once; what is asked meanwhile goes together in the next. */
const MOST_CALLS = 2;
const MOST_IN_BATCH = 100;

const body = new ByteWriter();

/** Someone who asks the service: a stream for its request, or a lease for its renewal. */
export abstract class Asker extends Context {
  /** The ask is on its way, so the service may hold something for it. */
  asked: bool = false;

  /** Adds the AdmitRequest of the contract. */
  abstract writeAsk(out: ByteWriter): void;

  /** Called once from the root context; null: there is no answer. */
  abstract onAnswer(answer: Answer | null): void;
}

class AskCall {
  token: u32 = 0;
  askers: Asker[] = [];
}

/** The admit calls of one root. An asker whose ask was taken is always told how it ended. */
export class AskQueue {
  private calls: AskCall[] = [];
  private waiting: Asker[] = [];

  constructor(
    private service: ServiceClient,
    private circuit: Circuit,
  ) {
    for (let i = 0; i < MOST_CALLS; i++) this.calls.push(new AskCall());
  }

  /** Asks now or, while enough calls are under way, later; false: it cannot be asked. */
  ask(asker: Asker, timeoutMs: i32): bool {
    this.waiting.push(asker);
    const call = this.callWith(0);
    if (call === null || this.send(call, timeoutMs)) return true;
    call.askers.length = 0;
    return false;
  }

  /** No answer can help it any more. One that is on its way comes all the same. */
  forget(asker: Asker): void {
    if (asker.asked) return;
    const place = this.waiting.indexOf(asker);
    if (place >= 0) remove(this.waiting, place, 1);
  }

  /** Is this the answer to one of the calls? headers 0: none came. */
  answered(token: u32, headers: i32, length: i32, timeoutMs: i32): bool {
    const call = this.callWith(token);
    if (call === null) return false;
    const status = callStatus(headers);
    let root: JsonNode | null = null;
    if (status == 200 && bodyBytes(Body.CallResponse, 0, length)) {
      const ptr = handedPtr;
      root = parseJson(ptr, handedLength);
      litters(handedLength * BYTES_PER_JSON_BYTE);
      release(ptr);
    }
    if (status == 0) this.circuit.fail();
    this.tell(call, root);
    this.sendWaiting(call, timeoutMs);
    return true;
  }

  /** Tells the askers of a call how it ended; root null: without an answer. */
  private tell(call: AskCall, root: JsonNode | null): void {
    const askers = call.askers;
    let answers: JsonNode | null = null;
    if (root !== null && askers.length > 1) {
      answers = root.get(utf8("answers"));
      root = null;
    }
    for (let i = 0; i < askers.length; i++) {
      let node = root;
      if (answers !== null && answers.items.length == askers.length) node = answers.items[i];
      askers[i].onAnswer(node === null ? null : Answer.from(node));
    }
    askers.length = 0;
    call.token = 0;
  }

  /** Where the service cannot be asked any more, nobody waits for it. */
  private sendWaiting(call: AskCall, timeoutMs: i32): void {
    while (this.waiting.length > 0) {
      if (this.circuit.isOpen) this.take(call);
      else if (this.send(call, timeoutMs)) return;
      this.tell(call, null);
    }
  }

  private take(call: AskCall): void {
    const count = min(this.waiting.length, MOST_IN_BATCH);
    for (let i = 0; i < count; i++) call.askers.push(this.waiting[i]);
    remove(this.waiting, 0, count);
  }

  /** Sends what waits, up to a batch; false: it cannot be sent, and the circuit is open. */
  private send(call: AskCall, timeoutMs: i32): bool {
    this.take(call);
    const askers = call.askers;
    const isBatch = askers.length > 1;
    body.reset();
    if (isBatch) body.text(utf8('{"requests":['));
    for (let i = 0; i < askers.length; i++) {
      if (i > 0) body.byte(0x2c);
      askers[i].writeAsk(body);
    }
    if (isBatch) body.text(utf8("]}"));
    call.token = this.service.admit(body.ptr, body.length, timeoutMs);
    if (call.token == 0) {
      this.circuit.fail();
      return false;
    }
    for (let i = 0; i < askers.length; i++) askers[i].asked = true;
    return true;
  }

  /** token 0: a call that is not under way. */
  private callWith(token: u32): AskCall | null {
    for (let i = 0; i < MOST_CALLS; i++) {
      if (this.calls[i].token == token) return this.calls[i];
    }
    return null;
  }
}

/** Takes `count` items out, from `from` on. */
function remove(askers: Asker[], from: i32, count: i32): void {
  for (let i = from; i + count < askers.length; i++) askers[i] = askers[i + count];
  askers.length -= count;
}
