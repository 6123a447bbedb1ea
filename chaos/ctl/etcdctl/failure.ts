/*
 * How a command of etcdctl ends when it fails: one line of text and an exit code.
 * Source: etcd v3 contract, etcdctl, global rules.
 */

/** etcdctl's exit codes. */
export const ctlExit = {
  error: 1,
  badConnection: 2,
  invalidInput: 3,
  badFeature: 4,
  interrupted: 5,
  badArguments: 128,
} as const;

/** Ends the command: the text goes to standard error behind "Error: ". */
export class CtlError extends Error {
  override readonly name = "CtlError";
  readonly exitCode: number;
  constructor(text: string, exitCode: number = ctlExit.error) {
    super(text);
    this.exitCode = exitCode;
  }
}

export const badArguments = (text: string): CtlError => new CtlError(text, ctlExit.badArguments);
