/*
 * The last step of every program of this package: a verb's result is the exit code of the process, whatever happens.
 */
import { exitCodeOf, exitCodes } from "./command.ts";

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
