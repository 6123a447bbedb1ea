/*
 * faultline etcdctl: etcd's own client for the command line, with its verbs, flags, environment, texts and exit codes as
 * of 3.6. This file is the front: the global flags, and which verb is meant; the verbs live in etcdctl/.
 * Source: etcd v3 contract, etcdctl.
 */
import { type Command, CommanderError } from "commander";
import { newCommand } from "../../reports/command.ts";
import { etcdVersion } from "../member/version.ts";
import { addAuthVerbs, addRoleVerbs, addUserVerbs } from "./etcdctl/access.ts";
import { addEndpointVerbs, addSnapshotVerb, addUpkeepVerbs } from "./etcdctl/endpoints.ts";
import { addGlobalFlags, transportOf, withFullSwitches } from "./etcdctl/global-flags.ts";
import { addKeyVerbs } from "./etcdctl/keys.ts";
import { addLeaseVerbs } from "./etcdctl/leases.ts";
import { addLockVerbs } from "./etcdctl/locks.ts";
import { addMemberVerbs, addMoveLeaderVerb } from "./etcdctl/members.ts";
import { addMirrorVerb } from "./etcdctl/mirror.ts";
import { CtlError, ctlExit, type GlobalFlags, Session } from "./etcdctl/session.ts";
import { addTxnVerb } from "./etcdctl/txn.ts";
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
    const session = new Session(program.opts<GlobalFlags>(), transportOf(program));
    try {
      const ended = await body(session);
      exitCode = typeof ended === "number" ? ended : 0;
    } finally {
      session.close();
    }
  };
  const stage: Stage = { program, act, afterDashes: dashes < 0 ? undefined : argv.slice(dashes + 1) };
  for (const add of rooms) add(stage);
  try {
    const typed = dashes < 0 || !takesCommand(argv) ? argv : argv.slice(0, dashes);
    await program.parseAsync(withWholeVerbs(program, withFullSwitches(typed)), { from: "user" });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return exitCodeOfUsage(error);
    if (!(error instanceof CtlError)) throw error;
    process.stderr.write(`Error: ${error.message}\n`);
    return error.exitCode;
  }
}

/** Operands too few or too many are bad arguments; a verb or flag that is not there is an error. */
function exitCodeOfUsage({ exitCode, code }: CommanderError): number {
  if (exitCode === 0) return 0;
  const isOfOperands = code === "commander.missingArgument" || code === "commander.excessArguments";
  return isOfOperands ? ctlExit.badArguments : ctlExit.error;
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
  addAuthVerbs,
  addUserVerbs,
  addRoleVerbs,
  addVersion,
];

function addVersion({ program }: Stage): void {
  const [major, minor] = etcdVersion.split(".");
  program
    .command("version")
    .description("print the version")
    .action(() => void process.stdout.write(`etcdctl version: ${etcdVersion}\nAPI version: ${major}.${minor}\n`));
}

// ---- which verb is meant ---------------------------------------------------------------------------------------

/** Only these run what stands behind a bare "--"; to the others it says that no flags follow. */
const takesCommand = (argv: readonly string[]): boolean =>
  argv.some((arg) => arg.length >= 2 && ("watch".startsWith(arg) || "lock".startsWith(arg)));

/** Any beginning of a verb stands for it, as long as no other verb begins so. */
function withWholeVerbs(program: Command, argv: readonly string[]): string[] {
  const whole = [...argv];
  let command = program;
  for (let at = 0; at < whole.length && command.commands.length > 0; at++) {
    const word = whole[at] ?? "";
    if (word === "--") break;
    if (word.startsWith("-")) {
      const option = command.options.find(({ long, short }) => word === long || word === short);
      if (option?.required === true) at += 1;
      continue;
    }
    const names = (each: Command): string[] => [each.name(), ...each.aliases()];
    const exact = command.commands.find((each) => names(each).includes(word));
    const begun = command.commands.filter((each) => names(each).some((name) => name.startsWith(word)));
    const meant = exact ?? (begun.length === 1 ? begun[0] : undefined);
    if (meant === undefined) break;
    whole[at] = meant.name();
    command = meant;
  }
  return whole;
}
