/*
 * A process of any verb from its arguments to its end: its exit codes, and what a thrown error makes of them. Loaded with
 * every verb, so that it needs nothing.
 */

/** 0 passed, 1 a check failed, 2 wrong usage, 3 the harness itself broke, 130 interrupted, as shells have it. */
export const exitCodes = { passed: 0, failed: 1, usage: 2, broken: 3, interrupted: 130 } as const;

/** Wrong input of the person at the keyboard: the message names the input, the place and the remedy. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Exit code of a thrown error; says what happened unless commander has said it already. */
export function exitCodeOf(error: unknown): number {
  // Told by its name: the library that throws it is loaded by those verbs alone that read their flags with it.
  if (error instanceof Error && error.name === "CommanderError" && "exitCode" in error) {
    return error.exitCode === 0 ? exitCodes.passed : exitCodes.usage;
  }
  if (error instanceof UsageError) {
    process.stderr.write(`faultline: ${error.message}\n`);
    return exitCodes.usage;
  }
  process.stderr.write(
    `faultline: internal error\n${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
  return exitCodes.broken;
}

/** Runs a program with the arguments of this process. */
export async function runProgram(run: (argv: readonly string[]) => Promise<number>): Promise<void> {
  // A reader that has seen enough (`faultline list | head`) is no failure of ours.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(exitCodes.passed);
    throw error;
  });
  try {
    process.exitCode = await run(process.argv.slice(2));
  } catch (error) {
    process.exitCode = exitCodeOf(error);
  }
}
