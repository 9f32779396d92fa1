import type { Counted } from "./processes.ts";

/** One way from the client to the upstream. */
export interface Chain {
  name: string;
  /** For people. */
  title: string;
  /** http://host:port, with a path prefix where the system has one. */
  url: URL;
  /** Sent with every request. */
  headers: Record<string, string>;
  /** Everything between client and upstream whose cost counts. */
  processes(): Counted[];
  /** What it says that it has counted so far; null for what cannot tell. */
  accounts(): Promise<Accounts | null>;
  stop(): Promise<void>;
}

export interface Accounts {
  asked: number;
  settled: number;
}
