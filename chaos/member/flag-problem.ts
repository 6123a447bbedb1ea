/*
 * How reading the flags ends when there is no start: something to print, or a refusal. Thrown on the way by whichever
 * part finds it, and caught once, where flags are read. Source: etcd configuration, §5 validation.
 */

export type FlagsEnd =
  /** Print and end. */
  | { readonly kind: "print"; readonly stdout: string; readonly stderr: string; readonly exitCode: number }
  /** Log as an error of the flags and end with 1. */
  | { readonly kind: "refuse"; readonly error: string };

export class FlagProblem extends Error {
  override readonly name = "FlagProblem";
  readonly result: FlagsEnd;
  constructor(result: FlagsEnd) {
    super();
    this.result = result;
  }
}

/** @throws FlagProblem always */
export const refuse = (error: string): never => {
  throw new FlagProblem({ kind: "refuse", error });
};

/** Wrong usage of the command line itself. @throws FlagProblem always */
export const misuse = (stderr: string): never => {
  throw new FlagProblem({ kind: "print", stdout: "", stderr: `${stderr}\n`, exitCode: 2 });
};
