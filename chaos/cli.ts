/*
 * Verbs of the real world: drill runs scenarios on processes, etcd runs one member, etcdctl and etcdutl are etcd's own
 * tools. Each is loaded when it is asked for.
 */
import { runWithHandles } from "./member/handles.ts";

/** @param argv the verb, then its arguments @returns the exit code of the process */
export async function run(argv: readonly string[]): Promise<number> {
  const [verb, ...rest] = argv;
  switch (verb) {
    case "drill":
      return (await import("./drill-command.ts")).run(rest);
    case "etcd":
      return runWithHandles("etcd", () => import("./member/main.ts"), rest);
    case "etcdctl":
      return runWithHandles("etcdctl", () => import("./ctl/etcdctl.ts"), rest);
    case "etcdutl":
      return runWithHandles("etcdutl", () => import("./ctl/etcdutl.ts"), rest);
    default:
      process.stderr.write(`faultline: "${verb ?? ""}" is no verb of the real world\n`);
      return 2;
  }
}
