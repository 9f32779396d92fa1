/** What the load generator is asked and what it answers. */

/** A whole HTTP/1.1 request, and where in it twelve digits are to be counted up. */
export interface JobRequest {
  base64: string;
  counterOffsets: number[];
}

export interface LoadJob {
  host: string;
  port: number;
  /** One for each connection. */
  requests: JobRequest[];
  durationMs: number;
  /** null: closed loop, every connection sends as soon as it has its answer. */
  ratePerSecond: number | null;
  /** The counters of this job begin here. */
  firstCount: number;
}

export interface LoadResult {
  /** Answered with 200. */
  requests: number;
  /** What else came, e.g. "status 429", with how often. */
  failures: Record<string, number>;
  /** From the first request to the last answer. */
  seconds: number;
  p50Us: number;
  p99Us: number;
  /** CPU time of the load generator itself. */
  cpuSeconds: number;
}

export type LoadAnswer = { result: LoadResult } | { error: string };
