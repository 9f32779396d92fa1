import { defineMetric, incrementMetric, LogLevel, log, recordMetric } from "../abi/host";
import { Configuration } from "../configuration";
import { ByteWriter } from "../scan/json-write";
import { ServiceClient } from "../service-client";
import { Bytes } from "./captured";

const FIRST_BACKOFF_MS: i64 = 200;
const MOST_BACKOFF_MS: i64 = 5000;
const MAX_BATCH_BYTES = 512 * 1024;

const batch = new ByteWriter();

/**
 * Settlements on their way to the service: bounded, sent in batches from the root context, kept
 * until the service has acknowledged them. Sending one twice is harmless: its id makes it count
 * once.
 */
export class SettlementQueue {
  private waiting: Bytes[] = [];
  private waitingBytes: i32 = 0;
  private sent: Bytes[] = [];
  private token: u32 = 0;
  private backoffMs: i64 = 0;
  private notBeforeMs: i64 = 0;
  private lost: i64 = 0;
  /** The last batch held a record that the service cannot read. */
  private oneByOne: bool = false;
  private lostMetric: u32;
  private waitingMetric: u32;

  constructor(
    private configuration: Configuration,
    private service: ServiceClient,
  ) {
    this.lostMetric = defineMetric(0, "tollgate_settlements_lost");
    this.waitingMetric = defineMetric(1, "tollgate_settlements_waiting");
  }

  /** Queues a record's JSON. When the bound is reached the oldest ones go, loudly. */
  push(json: ByteWriter): void {
    this.waiting.push(new Bytes(json.ptr, json.length));
    this.waitingBytes += json.length;
    while (this.waitingBytes > this.configuration.queueBytes && this.waiting.length > 1) {
      this.waitingBytes -= this.waiting.shift().length;
      this.lost++;
      incrementMetric(this.lostMetric, 1);
      if (this.lost == 1 || this.lost % 1000 == 0) {
        log(LogLevel.Error, `the settlement queue is full, ${this.lost} settlements lost so far`);
      }
    }
  }

  get isBatchFull(): bool {
    return this.waiting.length >= this.configuration.batchRecords;
  }

  /** Sends the next batch, unless one is under way or the last one failed just now. */
  flush(nowMs: i64): void {
    recordMetric(this.waitingMetric, this.waiting.length);
    if (this.token != 0 || this.waiting.length == 0 || nowMs < this.notBeforeMs) return;
    let count = 0;
    let bytes = 0;
    const most = this.oneByOne ? 1 : this.configuration.batchRecords;
    while (count < this.waiting.length && count < most) {
      bytes += this.waiting[count].length;
      if (count > 0 && bytes > MAX_BATCH_BYTES) break;
      count++;
    }
    this.sent = this.waiting.splice(0, count);
    batch.reset();
    batch.ascii('{"records":[');
    for (let i = 0; i < this.sent.length; i++) {
      if (i > 0) batch.byte(0x2c);
      batch.raw(this.sent[i].ptr, this.sent[i].length);
      this.waitingBytes -= this.sent[i].length;
    }
    batch.ascii("]}");
    this.token = this.service.settle(batch.ptr, batch.length);
    if (this.token == 0) this.failed(nowMs);
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
    if (status == 200) {
      this.sent = [];
      this.backoffMs = 0;
      this.flush(nowMs);
    } else if (status == 400 && this.sent.length == 1) {
      this.lost++;
      incrementMetric(this.lostMetric, 1);
      log(LogLevel.Error, "the service refused a settlement as malformed");
      this.sent = [];
      this.oneByOne = false;
      this.flush(nowMs);
    } else {
      this.oneByOne = status == 400;
      this.failed(nowMs);
      if (this.oneByOne) this.retryNow(nowMs);
    }
  }

  private failed(nowMs: i64): void {
    this.token = 0;
    for (let i = 0; i < this.sent.length; i++) this.waitingBytes += this.sent[i].length;
    this.waiting = this.sent.concat(this.waiting);
    this.sent = [];
    this.backoffMs = this.backoffMs == 0 ? FIRST_BACKOFF_MS : this.backoffMs * 2;
    if (this.backoffMs > MOST_BACKOFF_MS) this.backoffMs = MOST_BACKOFF_MS;
    this.notBeforeMs = nowMs + this.backoffMs;
  }

  /** The service answers again: no need to wait longer. */
  retryNow(nowMs: i64): void {
    this.backoffMs = 0;
    this.notBeforeMs = 0;
    this.flush(nowMs);
  }
}
