/*
 * What a room of verbs is given to hang its verbs on: the program, and one way to run a verb's body.
 */
import type { Command } from "commander";
import type { Session } from "./session.ts";

export interface Stage {
  readonly program: Command;
  /**
   * Runs one verb: opens a session from the global flags, closes it whatever happens, and turns a CtlError into its text
   * on standard error and its exit code. A number that the body returns is the exit code.
   */
  readonly act: (body: (session: Session) => Promise<unknown>) => Promise<void>;
  /** What stands behind a bare `--` on the command line; undefined without one. */
  readonly afterDashes: readonly string[] | undefined;
}
