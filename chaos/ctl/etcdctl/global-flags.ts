/*
 * Flags every verb of etcdctl takes, on the command line or as ETCDCTL_ variables: end points, time, who asks, how
 * answers are printed, TLS. Source: etcd v3 contract, etcdctl, global rules.
 */
import { type Command, Option } from "commander";
import { Transport, TransportProblem } from "../../client/transport.ts";
import { durationMs } from "../../member/durations.ts";
import { badArguments, formats, type GlobalFlags } from "./session.ts";

export function addGlobalFlags(program: Command): void {
  const options = [
    new Option(
      "--endpoints <list>",
      "host:port of members, http:// or https:// in front; the first that answers serves; may be given again",
    )
      .default(["127.0.0.1:2379"])
      .argParser(lists()),
    new Option("-w, --write-out <format>", "how answers are printed").choices([...formats]).default("simple"),
    new Option("--hex", "print bytes as hexadecimal"),
    new Option("--command-timeout <duration>", "how long a command may take").default(5_000, "5s").argParser(timeMs),
    new Option("--dial-timeout <duration>", "how long connecting may take, which counts as time of the command")
      .default(2_000, "2s")
      .argParser(timeMs),
    new Option("--user <name[:password]>", "who asks"),
    new Option("--password <password>", "their password; then --user is the name alone"),
    new Option("--cacert <file>", "authority that signs certificates of members, in PEM form"),
    new Option("--cert <file>", "certificate to show, in PEM form"),
    new Option("--key <file>", "its key"),
    new Option(
      "--insecure-transport <bool>",
      "plain text for end points without a scheme, when nothing else says TLS",
    ).default("true"),
    new Option("--insecure-skip-tls-verify <bool>", "take any certificate of a member").default("false"),
  ];
  for (const option of options) program.addOption(option.env(variableOf(option.long ?? "")));
}

const variableOf = (long: string): string => `ETCDCTL_${long.slice(2).toUpperCase().replaceAll("-", "_")}`;

/** The first list takes the place of what holds without one, later ones are added. */
function lists(): (text: string, before: readonly string[]) => string[] {
  let isFirst = true;
  return (text, before) => {
    const added = text.split(",").map((each) => each.trim());
    const kept = isFirst ? [] : before;
    isFirst = false;
    return [...kept, ...added];
  };
}

/** A bare number counts milliseconds. */
function timeMs(text: string): number {
  const given = /^\d+$/.test(text) ? Number(text) : durationMs(text);
  if (given === undefined || given < 0)
    throw badArguments(`invalid duration "${text}"; write for example 5s, 1m30s or 500ms`);
  return given;
}

/** Switches may stand alone, as Go's do: `--insecure-skip-tls-verify` is that flag with =true. */
export const withFullSwitches = (argv: readonly string[]): string[] =>
  argv.map((word) => (/^--(insecure-transport|insecure-skip-tls-verify)$/.test(word) ? `${word}=true` : word));

/** @throws CtlError for a flag beside its own variable, a switch that is none, and files that cannot be used */
export function transportOf(program: Command): Transport {
  for (const option of program.options) {
    const { envVar, long } = option;
    if (envVar === undefined || (process.env[envVar] ?? "") === "") continue;
    if (program.getOptionValueSource(option.attributeName()) !== "cli") continue;
    throw badArguments(
      `conflicting environment variable "${envVar}" is shadowed by corresponding command-line flag (either unset environment variable or disable flag): ${long}`,
    );
  }
  const flags = program.opts<GlobalFlags>();
  return newTransport(flags);
}

/** @throws CtlError for a switch that is none, and for files that cannot be used */
export function newTransport(flags: Partial<GlobalFlags>): Transport {
  try {
    return new Transport({
      cacert: flags.cacert,
      cert: flags.cert,
      key: flags.key,
      insecureTransport: switchOf("--insecure-transport", flags.insecureTransport ?? "true"),
      insecureSkipTlsVerify: switchOf("--insecure-skip-tls-verify", flags.insecureSkipTlsVerify ?? "false"),
    });
  } catch (error) {
    if (error instanceof TransportProblem) throw badArguments(error.message);
    throw error;
  }
}

function switchOf(flag: string, text: string): boolean {
  if (/^(1|t|true)$/i.test(text)) return true;
  if (/^(0|f|false)$/i.test(text)) return false;
  throw badArguments(`${flag} is true or false, not "${text}"`);
}
