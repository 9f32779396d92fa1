/** What a command reads and writes, and how it is asked what it does. */

export interface CommandIo {
  env: NodeJS.ProcessEnv;
  stdout: (text: string) => void;
  stderr: (text: string) => void;
  /** Text of a file; "-": of standard input. */
  read: (file: string) => Promise<string>;
}

/** Whether a word of the command line asks for the usage text. */
export function isHelp(word: string): boolean {
  return word === "help" || word === "--help" || word === "-h";
}
