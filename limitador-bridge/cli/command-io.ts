/** What a command reads and writes. */

export interface CommandIo {
  env: NodeJS.ProcessEnv;
  stdout: (text: string) => void;
  stderr: (text: string) => void;
  /** Text of a file; "-": of standard input. */
  read: (file: string) => Promise<string>;
}
