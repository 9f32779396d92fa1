/** What is told to people, before it takes the form of any receiver. */

export type Severity = "info" | "warning" | "critical";

export interface Alert {
  /** One alert is sent for one key, by whichever replica is first. */
  key: string;
  /** What sort of alert, e.g. LLMBudgetThreshold. */
  name: string;
  severity: Severity;
  /** One or two sentences of plain text. */
  summary: string;
  /** Where the policy wants it, e.g. "#ml-team-costs"; null: the receiver's own choice. */
  channel: string | null;
  startsAtMs: number;
  /** When it is over by itself; the key is remembered until then. */
  endsAtMs: number;
  /** What tells this alert from others of its name. */
  labels: Record<string, string>;
  /** Figures for programs; money in nano-USD. */
  details: Record<string, string | number | null>;
}
