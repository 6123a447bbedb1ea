/*
 * faultline etcdctl: etcd's own client for the command line, with its verbs, flags, environment, texts and exit codes as
 * of 3.6. This file is the front: the global flags, and which verb is meant; the verbs live in etcdctl/.
 * Source: etcd v3 contract, etcdctl.
 */
import { newCommand } from "../../reports/command.ts";
import { etcdVersion } from "../member/version.ts";
import { addCompletionVerb } from "./completion.ts";
import { addAuthVerbs, addRoleVerbs, addUserVerbs } from "./etcdctl/access.ts";
import { addCheckVerbs } from "./etcdctl/checks.ts";
import { addEndpointVerbs, addSnapshotVerb, addUpkeepVerbs } from "./etcdctl/endpoints.ts";
import { addGlobalFlags, transportOf, variablesText } from "./etcdctl/global-flags.ts";
import { addKeyVerbs } from "./etcdctl/keys.ts";
import { addLeaseVerbs } from "./etcdctl/leases.ts";
import { addLockVerbs } from "./etcdctl/locks.ts";
import { addMemberVerbs, addMoveLeaderVerb } from "./etcdctl/members.ts";
import { addMirrorVerb } from "./etcdctl/mirror.ts";
import { type GlobalFlags, Session } from "./etcdctl/session.ts";
import { endpointsFrom } from "./etcdctl/srv-endpoints.ts";
import { addTxnVerb } from "./etcdctl/txn.ts";
import { runTyped } from "./etcdctl/typed.ts";
import type { Stage } from "./etcdctl/verbs.ts";
import { addWatchVerb } from "./etcdctl/watch.ts";

const examples = `
Examples:
  faultline etcdctl put greeting hello
  faultline etcdctl get --prefix gre -w json
  faultline etcdctl watch --prefix gre -- sh -c 'echo $ETCD_WATCH_KEY'
  faultline etcdctl endpoint status --cluster -w table
`;

/** @param argv after the verb @returns etcdctl's exit code */
export async function run(argv: readonly string[]): Promise<number> {
  let exitCode = 0;
  const dashes = argv.indexOf("--");
  const program = newCommand("faultline etcdctl").description("talk to a cluster, ours or any etcd");
  addGlobalFlags(program);
  program.addHelpText("after", examples);
  const act: Stage["act"] = async (body) => {
    const transport = transportOf(program);
    const flags = program.opts<GlobalFlags & Parameters<typeof endpointsFrom>[0]>();
    const session = new Session({ ...flags, endpoints: await endpointsFrom(flags) }, transport);
    if (flags.debug === true) process.stderr.write(variablesText(program));
    try {
      const ended = await body(session);
      exitCode = typeof ended === "number" ? ended : 0;
    } finally {
      session.close();
    }
  };
  const stage: Stage = { program, act, afterDashes: dashes < 0 ? undefined : argv.slice(dashes + 1) };
  for (const add of rooms) add(stage);
  const own = dashes < 0 || !takesCommand(argv) ? argv : argv.slice(0, dashes);
  return runTyped(program, own, () => exitCode);
}

const rooms: readonly ((stage: Stage) => void)[] = [
  addKeyVerbs,
  addTxnVerb,
  addWatchVerb,
  addLeaseVerbs,
  addLockVerbs,
  addMemberVerbs,
  addMoveLeaderVerb,
  addEndpointVerbs,
  addUpkeepVerbs,
  addSnapshotVerb,
  addMirrorVerb,
  addCheckVerbs,
  addAuthVerbs,
  addUserVerbs,
  addRoleVerbs,
  addVersion,
  ({ program }) => addCompletionVerb(program, "etcdctl"),
];

function addVersion({ program }: Stage): void {
  const [major, minor] = etcdVersion.split(".");
  program
    .command("version")
    .description("print the version")
    .action(() => void process.stdout.write(`etcdctl version: ${etcdVersion}\nAPI version: ${major}.${minor}\n`));
}

/** Only these run what stands behind a bare "--"; to the others it says that no flags follow. */
const takesCommand = (argv: readonly string[]): boolean =>
  argv.some((arg) => arg.length >= 2 && ("watch".startsWith(arg) || "lock".startsWith(arg)));
