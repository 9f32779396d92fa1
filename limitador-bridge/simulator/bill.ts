/** What the simulated provider would put on its invoice. */
export interface BillLine {
  requests: number;
  inputTokens: number;
  outputTokens: number;
  /** Exchanges that did not come to their end; they are billed for what was generated. */
  aborted: number;
}

export interface BillView extends BillLine {
  /** Requests answered with an error; nothing is billed for them. */
  errors: number;
  byModel: Record<string, BillLine>;
  /** By the request header `x-user`; requests without it are only in the sums. */
  byUser: Record<string, BillLine>;
}

export interface BillEntry {
  model: string;
  user: string | null;
  inputTokens: number;
  outputTokens: number;
  aborted: boolean;
}

/** Names kept apart; what comes after is added up under OTHER_NAME. */
const MAX_NAMES = 10_000;
const OTHER_NAME = "(other)";

export class Bill {
  #sum = emptyLine();
  #errors = 0;
  #byModel = new Map<string, BillLine>();
  #byUser = new Map<string, BillLine>();

  /** Adds one exchange. */
  add(entry: BillEntry): void {
    addTo(this.#sum, entry);
    addTo(lineOf(this.#byModel, entry.model), entry);
    if (entry.user !== null) addTo(lineOf(this.#byUser, entry.user), entry);
  }

  /** Counts a request that was answered with an error. */
  addError(): void {
    this.#errors += 1;
  }

  /** A copy of all sums. */
  view(): BillView {
    return {
      ...this.#sum,
      errors: this.#errors,
      byModel: copyOf(this.#byModel),
      byUser: copyOf(this.#byUser),
    };
  }

  /** Starts again from zero. */
  reset(): void {
    this.#sum = emptyLine();
    this.#errors = 0;
    this.#byModel.clear();
    this.#byUser.clear();
  }
}

function emptyLine(): BillLine {
  return { requests: 0, inputTokens: 0, outputTokens: 0, aborted: 0 };
}

function lineOf(lines: Map<string, BillLine>, name: string): BillLine {
  const key = lines.has(name) || lines.size < MAX_NAMES ? name : OTHER_NAME;
  let line = lines.get(key);
  if (line === undefined) {
    line = emptyLine();
    lines.set(key, line);
  }
  return line;
}

function addTo(line: BillLine, entry: BillEntry): void {
  line.requests += 1;
  line.inputTokens += entry.inputTokens;
  line.outputTokens += entry.outputTokens;
  if (entry.aborted) line.aborted += 1;
}

function copyOf(lines: Map<string, BillLine>): Record<string, BillLine> {
  return Object.fromEntries([...lines].map(([name, line]) => [name, { ...line }]));
}
