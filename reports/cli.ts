/*
 * Verbs that read and write results and run nothing. Each is loaded when it is asked for.
 */

/** @param argv the verb, then its arguments @returns the exit code of the process */
export async function run(argv: readonly string[]): Promise<number> {
  const [verb, ...rest] = argv;
  switch (verb) {
    case "check":
      return (await import("./check-command.ts")).runCheck(rest);
    case "report":
      return (await import("./report-command.ts")).runReport(rest);
    case "merge":
      return (await import("./report-command.ts")).runMerge(rest);
    case "list":
      return (await import("./list-command.ts")).runList(rest);
    default:
      process.stderr.write(`faultline: "${verb ?? ""}" is no verb of the reports\n`);
      return 2;
  }
}
