/*
 * Flags every verb of etcdctl takes, on the command line or as ETCDCTL_ variables: end points, time, who asks, how
 * answers are printed, TLS. Source: etcd v3 contract, etcdctl, global rules.
 */
import { type Command, Option } from "commander";
import { Transport, TransportProblem } from "../../client/transport.ts";
import { durationMs } from "../../member/durations.ts";
import { badArguments, CtlError, ctlExit } from "./failure.ts";
import { type Format, formats, type GlobalFlags } from "./session.ts";
import { switchOf } from "./typed.ts";

export function addGlobalFlags(program: Command): void {
  const options = [
    new Option(
      "--endpoints <list>",
      "host:port of members, http:// or https:// in front; the first that answers serves; may be given again",
    )
      .default(["127.0.0.1:2379"])
      .argParser(lists()),
    new Option("-w, --write-out <format>", `how answers are printed: ${formats.join(", ")}`)
      .default("simple")
      .argParser(formatOf),
    new Option("--hex <bool>", "print bytes as hexadecimal")
      .default(false)
      .argParser((text) => switchOf("--hex", text)),
    new Option("--command-timeout <duration>", "how long a command may take").default(5_000, "5s").argParser(timeMs),
    new Option("--dial-timeout <duration>", "how long connecting may take, which counts as time of the command")
      .default(2_000, "2s")
      .argParser(timeMs),
    new Option("--keepalive-time <duration>", "how long a connection may be idle before it is asked for a sign of life")
      .default(2_000, "2s")
      .argParser(timeMs),
    new Option("--keepalive-timeout <duration>", "how long that sign may take before the connection is given up")
      .default(6_000, "6s")
      .argParser(timeMs),
    new Option("--max-request-bytes <n>", "most bytes of a request; 0: 2 MiB").default(0).argParser(bytesMax),
    new Option("--max-recv-bytes <n>", "most bytes of an answer; 0: any").default(0).argParser(bytesMax),
    new Option("--user <name[:password]>", "who asks; without a password it is asked for at a terminal"),
    new Option("--password <password>", "their password; then --user is the name alone"),
    new Option("--cacert <file>", "authority that signs certificates of members, in PEM form"),
    new Option("--cert <file>", "certificate to show, in PEM form"),
    new Option("--key <file>", "its key"),
    new Option(
      "--insecure-transport <bool>",
      "plain text for end points without a scheme, when nothing else says TLS",
    ).default("true"),
    new Option("--insecure-skip-tls-verify <bool>", "take any certificate of a member").default("false"),
    new Option("-d, --discovery-srv <domain>", "domain whose SRV records name the end points").default(""),
    new Option("--discovery-srv-name <name>", "suffix of the service name that is asked for").default(""),
    new Option("--insecure-discovery <bool>", "take end points without TLS from SRV records").default("true"),
    new Option("--debug <bool>", "print the flags, and each call as it ends, on standard error")
      .default(false)
      .argParser((text) => switchOf("--debug", text)),
  ];
  for (const option of options) {
    const variable = variableOf(option.long ?? "");
    // One that is set to nothing counts as not set.
    program.addOption(process.env[variable] === "" ? option : option.env(variable));
  }
}

const variableOf = (long: string): string => `ETCDCTL_${long.slice(2).toUpperCase().replaceAll("-", "_")}`;

/** The flags as variables, a line each; without what is secret. */
export const variablesText = (program: Command): string =>
  program.options
    .filter(({ long }) => long !== undefined && long !== "--version")
    .map((option) => {
      const value: unknown = program.getOptionValue(option.attributeName());
      const isSecret = option.long === "--password" || option.long === "--user";
      return `${variableOf(option.long ?? "")}=${value === undefined ? "" : isSecret ? "…" : String(value)}\n`;
    })
    .join("");

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

function formatOf(text: string): Format {
  const found = formats.find((format) => format === text);
  if (found !== undefined) return found;
  throw new CtlError(`unsupported output format "${text}"; it is one of ${formats.join(", ")}`, ctlExit.badFeature);
}

/** A bare number counts milliseconds. */
function timeMs(text: string): number {
  const given = /^\d+$/.test(text) ? Number(text) : durationMs(text);
  if (given === undefined || given < 0)
    throw badArguments(`invalid duration "${text}"; write for example 5s, 1m30s or 500ms`);
  return given;
}

function bytesMax(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw badArguments(`invalid number of bytes "${text}"; write a whole number`);
}

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
