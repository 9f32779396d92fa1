import { defineMetric, incrementMetric, LogLevel, log, logBytes } from "../abi/host";
import { Text, utf8 } from "../abi/text";
import { Lease } from "../admission/lease";
import { Configuration } from "../configuration";
import { ByteWriter } from "../scan/json-write";
import { ServiceClient } from "../service-client";
import { writeBytes } from "./captured";

const FIRST_BACKOFF_MS: i64 = 200;
const MOST_BACKOFF_MS: i64 = 5000;
const MAX_BATCH_BYTES = 512 * 1024;
const SIZE_BYTES = 4;
/** Of a full queue this part is lost at once. */
const ROOM = 16;
/** After so many more are lost it is said again. */
const LOUD = 1000;
/** What is over this expires by itself. */
const MOST_RETURNS = 5000;

const batch = new ByteWriter();
const line = new ByteWriter();

/**
 * Settlements on their way to the service: bounded, sent in batches from the root context, kept
 * until the service has acknowledged them. Sending one twice is harmless: its id makes it count
 * once.
 *
 *   records  {…},{…},{…},{…},      sizes  u32 u32 u32 u32, each with its comma
 *            └ sent ─┘└ wait
 */
export class SettlementQueue {
  private records: ByteWriter = new ByteWriter();
  private sizes: ByteWriter = new ByteWriter();
  /** How many of the first are in the batch under way, and their bytes. */
  private sentCount: i32 = 0;
  private sentBytes: i32 = 0;
  /** Leases to give back; the first `sentReturns` are in the batch under way. */
  private returns: Lease[] = [];
  private sentReturns: i32 = 0;
  private token: u32 = 0;
  private backoffMs: i64 = 0;
  private notBeforeMs: i64 = 0;
  private lost: i64 = 0;
  /** How many of those that the gauge tells are of this worker: all share it. */
  private told: i32 = 0;
  /** The last batch held a record that the service cannot read. */
  private oneByOne: bool = false;
  /** There will be no tick any more. */
  private isDraining: bool = false;
  private lostMetric: u32;
  private waitingMetric: u32;

  constructor(
    private configuration: Configuration,
    private service: ServiceClient,
  ) {
    this.lostMetric = defineMetric(0, utf8("tollgate_settlements_lost"));
    this.waitingMetric = defineMetric(1, utf8("tollgate_settlements_waiting"));
  }

  /** Queues a record's JSON. When the bound is reached the oldest ones go, loudly. */
  push(json: ByteWriter): void {
    this.records.raw(json.ptr, json.length);
    this.records.byte(0x2c);
    this.sizes.word(json.length + 1);
    if (this.records.length - this.sentBytes > this.configuration.queueBytes) this.makeRoom();
  }

  /** The oldest go that are not in a batch: a part of all, since those after them have to move. */
  private makeRoom(): void {
    const bound = this.configuration.queueBytes;
    const most = this.count - this.sentCount - 1;
    let left = this.records.length - this.sentBytes;
    let count = 0;
    while (count < most && left > bound - bound / ROOM) {
      left -= this.sizeOf(this.sentCount + count);
      count++;
    }
    if (count == 0) return;
    this.drop(this.sentCount, count);
    const before = this.lost / LOUD;
    this.lose(count);
    if (this.lost == count || this.lost / LOUD != before) this.tellLost(utf8("is full"));
  }

  private tellLost(why: Text): void {
    line.reset();
    line.text(utf8("the settlement queue "));
    line.text(why);
    line.text(utf8(", "));
    line.int(this.lost);
    line.text(utf8(" settlements lost so far"));
    logBytes(LogLevel.Error, line.ptr, line.length);
  }

  /** Tells the service that a lease admits no more. */
  giveBack(lease: Lease): void {
    if (this.returns.length < MOST_RETURNS) this.returns.push(lease);
  }

  /** Sends all that there is, one batch after the other; what is not taken at once is lost. */
  drain(nowMs: i64): void {
    this.isDraining = true;
    this.retryNow(nowMs);
  }

  /** A batch is under way. */
  get isBusy(): bool {
    return this.token != 0;
  }

  /** How many settlements the service has not acknowledged. */
  private get count(): i32 {
    return this.sizes.length / SIZE_BYTES;
  }

  get isBatchFull(): bool {
    const isLong = this.records.length - this.sentBytes >= MAX_BATCH_BYTES;
    return isLong || this.count - this.sentCount >= this.configuration.batchRecords;
  }

  /** What is not waits for the next tick: a call costs more than the records in it. */
  private get isUrgent(): bool {
    return this.isBatchFull || this.oneByOne || this.isDraining || this.returns.length > 0;
  }

  private sizeOf(index: i32): i32 {
    return load<i32>(this.sizes.ptr + <usize>(index * SIZE_BYTES));
  }

  /** Forgets `count` settlements, beginning with number `first`, which is the first not sent. */
  private drop(first: i32, count: i32): void {
    let bytes = 0;
    for (let i = 0; i < count; i++) bytes += this.sizeOf(first + i);
    this.records.cut(first == 0 ? 0 : this.sentBytes, bytes);
    this.sizes.cut(first * SIZE_BYTES, count * SIZE_BYTES);
  }

  private lose(count: i32): void {
    this.lost += count;
    incrementMetric(this.lostMetric, count);
  }

  /** Sends the next batch, unless one is under way or the last one failed just now. */
  flush(nowMs: i64): void {
    const waiting = this.count - this.sentCount;
    incrementMetric(this.waitingMetric, this.count - this.told);
    this.told = this.count;
    if (this.token != 0 || waiting + this.returns.length == 0 || nowMs < this.notBeforeMs) return;
    let count = 0;
    let bytes = 0;
    const most = min(waiting, this.oneByOne ? 1 : this.configuration.batchRecords);
    while (count < most) {
      const size = this.sizeOf(count);
      if (count > 0 && bytes + size > MAX_BATCH_BYTES) break;
      bytes += size;
      count++;
    }
    batch.reset();
    batch.text(utf8('{"records":['));
    batch.raw(this.records.ptr, bytes - 1);
    batch.byte(0x5d);
    // Only where no settlement is left behind: what is not in the batch would be in flight, too.
    const withReturns = count == waiting && (count == 0 || !this.oneByOne);
    this.sentReturns = withReturns ? this.returns.length : 0;
    if (this.sentReturns > 0) this.writeReturns();
    batch.byte(0x7d);
    this.sentCount = count;
    this.sentBytes = bytes;
    this.token = this.service.settle(batch.ptr, batch.length);
    if (this.token == 0) this.failed(nowMs);
  }

  private writeReturns(): void {
    batch.text(utf8(',"leases":['));
    for (let i = 0; i < this.sentReturns; i++) {
      const lease = this.returns[i];
      if (i > 0) batch.byte(0x2c);
      batch.text(utf8('{"id":'));
      writeBytes(lease.terms.id, batch);
      batch.text(utf8(',"inFlight":'));
      batch.int(lease.open);
      batch.byte(0x7d);
    }
    batch.byte(0x5d);
  }

  /** Is this the answer to the batch under way? */
  isMine(token: u32): bool {
    return token != 0 && token == this.token;
  }

  /**
   * The batch was answered. status 0: not at all. 400 says that the service will never take it (a
   * record breaks the contract); they are then tried one by one, so that no other goes with it.
   */
  answered(status: i32, nowMs: i64): void {
    this.token = 0;
    const isSingle = this.sentCount == 0 || (this.sentCount == 1 && this.sentReturns == 0);
    const isRefused = status == 400 && isSingle;
    if (status == 200 || isRefused) {
      if (isRefused || this.sentCount == 0) this.oneByOne = false;
      if (isRefused && this.sentCount == 1) this.lose(1);
      this.drop(0, this.sentCount);
      this.dropReturns();
      this.sentCount = 0;
      this.sentBytes = 0;
      if (isRefused) {
        log(LogLevel.Error, utf8("the service refused a settlement as malformed"));
      } else this.backoffMs = 0;
      if (this.isUrgent) this.flush(nowMs);
    } else {
      this.oneByOne = status == 400;
      this.failed(nowMs);
      if (this.oneByOne) this.retryNow(nowMs);
    }
  }

  private dropReturns(): void {
    const sent = this.sentReturns;
    const left = this.returns.length - sent;
    for (let i = 0; i < left; i++) this.returns[i] = this.returns[i + sent];
    this.returns.length = left;
    this.sentReturns = 0;
  }

  private failed(nowMs: i64): void {
    this.token = 0;
    this.sentCount = 0;
    this.sentBytes = 0;
    this.sentReturns = 0;
    this.backoffMs = min(max(this.backoffMs * 2, FIRST_BACKOFF_MS), MOST_BACKOFF_MS);
    this.notBeforeMs = nowMs + this.backoffMs;
    if (!this.isDraining || this.oneByOne) return;
    this.lose(this.count);
    if (this.count > 0) this.tellLost(utf8("ends"));
    this.drop(0, this.count);
    this.flush(nowMs);
  }

  /** The service answers again: no need to wait longer. */
  retryNow(nowMs: i64): void {
    this.backoffMs = 0;
    this.notBeforeMs = 0;
    this.flush(nowMs);
  }
}
