/*
 * Verbs of the real world: drill runs scenarios on processes, etcd runs one member, etcdctl and etcdutl are etcd's own
 * tools. Each is loaded when it is asked for.
 */
/** @param argv the verb, then its arguments @returns the exit code of the process */
export async function run(argv: readonly string[]): Promise<number> {
  const [verb, ...rest] = argv;
  switch (verb) {
    case "drill":
      return (await import("./drill-command.ts")).run(rest);
    case "etcd":
      return (await import("./member/main.ts")).run(rest);
    case "etcdctl":
      return (await import("./ctl/etcdctl.ts")).run(rest);
    case "etcdutl":
      return (await import("./ctl/etcdutl.ts")).run(rest);
    default:
      process.stderr.write(`faultline: "${verb ?? ""}" is no verb of the real world\n`);
      return 2;
  }
}
