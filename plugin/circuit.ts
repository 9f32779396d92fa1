import { defineMetric, incrementMetric, LogLevel, log } from "./abi/host";
import { utf8 } from "./abi/text";

/**
 * Whether the service can be asked. One call that is not answered opens the circuit for all
 * requests of this worker; the root's polling closes it, so that no request ever pays for a probe.
 */
export class Circuit {
  isOpen: bool = false;
  /** Of all workers: in how many it is open. */
  private metric: u32;
  private hasEnded: bool = false;

  constructor() {
    this.metric = defineMetric(1, utf8("tollgate_circuit_open"));
  }

  /** A call was not answered. */
  fail(): void {
    if (this.isOpen || this.hasEnded) return;
    this.isOpen = true;
    incrementMetric(this.metric, 1);
    log(LogLevel.Error, utf8("the budget service does not answer; following the failure mode"));
  }

  /** Its root ends: whatever is answered to it yet, the metric is of those that go on. */
  end(): void {
    this.hasEnded = true;
    if (this.isOpen) incrementMetric(this.metric, -1);
    this.isOpen = false;
  }

  /** A call was answered. Returns whether the circuit was open. */
  succeed(): bool {
    if (!this.isOpen) return false;
    this.isOpen = false;
    incrementMetric(this.metric, -1);
    log(LogLevel.Warn, utf8("the budget service answers again"));
    return true;
  }
}
