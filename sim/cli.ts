/*
 * The simulator's verbs on the command line; each has a file of its own.
 */

/** @param argv the verb, then its arguments @returns exit code */
export async function run(argv: readonly string[]): Promise<number> {
  const [verb, ...rest] = argv;
  switch (verb) {
    case "replay":
      return (await import("./replay-command.ts")).run(rest);
    case "shrink":
      return (await import("./shrink-command.ts")).run(rest);
    case "bugs":
      return (await import("./bugs-command.ts")).run(rest);
    default:
      return (await import("./sim-command.ts")).run(rest);
  }
}
