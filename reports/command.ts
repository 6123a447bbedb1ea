/*
 * What the verbs of the command line share: running a command, option parsers, progress. People's text goes
 * to standard error, results to standard output.
 */
import { Command, InvalidArgumentError } from "commander";
import { exitCodeOf, exitCodes } from "./exit-code.ts";

/** A command whose help and errors are thrown instead of ending the process. */
export function newCommand(name: string): Command {
  return new Command(name).exitOverride().showHelpAfterError("(--help shows the flags)").allowExcessArguments(false);
}

/**
 * Runs one verb.
 *
 * @param build sets options and an action; the action sets the exit code through its return to `setExit`
 * @returns the exit code of the process
 */
export async function runVerb(
  name: string,
  argv: readonly string[],
  build: (program: Command, setExit: (code: number) => void) => void,
): Promise<number> {
  let exitCode: number = exitCodes.passed;
  const program = newCommand(name);
  build(program, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync([...argv], { from: "user" });
    return exitCode;
  } catch (error) {
    return exitCodeOf(error);
  }
}

/** Parser of a whole number in a range, for commander options. */
export const wholeNumber =
  (range: { readonly min: number; readonly max: number }) =>
  (text: string): number => {
    const value = Number(text);
    if (!/^-?\d+$/.test(text.trim()) || !Number.isSafeInteger(value) || value < range.min || value > range.max) {
      throw new InvalidArgumentError(`it must be a whole number in ${range.min}..${range.max}`);
    }
    return value;
  };

/** One line redrawn on standard error while it is a terminal; silent in a pipe. */
export class Progress {
  readonly #enabled = process.stderr.isTTY === true;
  #lastDrawnMs = 0;
  #shown = false;

  /** Draws at most ten times a second unless forced. */
  show(text: string, force = false): void {
    if (!this.#enabled) return;
    const nowMs = Date.now();
    if (!force && nowMs - this.#lastDrawnMs < 100) return;
    this.#lastDrawnMs = nowMs;
    this.#shown = true;
    process.stderr.write(`\r\x1b[2K${text.slice(0, Math.max(20, (process.stderr.columns ?? 80) - 1))}`);
  }

  /** Removes the line, so that what is printed next starts clean. */
  clear(): void {
    if (this.#shown) process.stderr.write("\r\x1b[2K");
    this.#shown = false;
  }
}
