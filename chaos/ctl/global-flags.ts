/*
 * Flags every verb of etcdctl takes, on the command line or as ETCDCTL_ variables: end points, time, TLS.
 * Source: etcdctl, §1 global rules.
 */
import { type Command, Option } from "commander";
import { UsageError, wholeNumber } from "../../reports/command.ts";
import { Transport, TransportProblem } from "../client/transport.ts";

export interface GlobalFlags {
  readonly endpoints: string;
  readonly commandTimeout: number;
  readonly cacert?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly insecureTransport: string;
  readonly insecureSkipTlsVerify: string;
}

export function addGlobalFlags(program: Command): void {
  const add = (flags: string, description: string, standard?: string): void => {
    const option = new Option(flags, description).env(variableOf(flags));
    program.addOption(standard === undefined ? option : option.default(standard));
  };
  add(
    "--endpoints <list>",
    "host:port of members, http:// or https:// in front; the first that answers serves",
    "127.0.0.1:2379",
  );
  program.option(
    "--command-timeout <ms>",
    "how long a command may take, in ms",
    wholeNumber({ min: 1, max: 3_600_000 }),
    5_000,
  );
  add("--cacert <file>", "authority that signs certificates of members, in PEM form");
  add("--cert <file>", "certificate to show, in PEM form");
  add("--key <file>", "its key");
  add("--insecure-transport <bool>", "plain text for end points without a scheme, when nothing else says TLS", "true");
  add("--insecure-skip-tls-verify <bool>", "take any certificate of a member", "false");
}

const variableOf = (flags: string): string =>
  `ETCDCTL_${flags.slice(2).replace(/ .*/, "").toUpperCase().replaceAll("-", "_")}`;

/** Switches may stand alone, as Go's do: `--insecure-skip-tls-verify` is that flag with =true. */
export const withFullSwitches = (argv: readonly string[]): string[] =>
  argv.map((word) => (/^--(insecure-transport|insecure-skip-tls-verify)$/.test(word) ? `${word}=true` : word));

/** @throws UsageError for a flag beside its own variable, a switch that is none, and files that cannot be used */
export function transportOf(program: Command): Transport {
  for (const option of program.options) {
    const { envVar, long } = option;
    if (envVar === undefined || (process.env[envVar] ?? "") === "") continue;
    if (program.getOptionValueSource(option.attributeName()) !== "cli") continue;
    throw new UsageError(
      `conflicting environment variable "${envVar}" is shadowed by corresponding command-line flag (either unset environment variable or disable flag): ${long}`,
    );
  }
  const flags = program.opts<GlobalFlags>();
  try {
    return new Transport({
      cacert: flags.cacert,
      cert: flags.cert,
      key: flags.key,
      insecureTransport: switchOf("--insecure-transport", flags.insecureTransport),
      insecureSkipTlsVerify: switchOf("--insecure-skip-tls-verify", flags.insecureSkipTlsVerify),
    });
  } catch (error) {
    if (error instanceof TransportProblem) throw new UsageError(error.message);
    throw error;
  }
}

function switchOf(flag: string, text: string): boolean {
  if (/^(1|t|true)$/i.test(text)) return true;
  if (/^(0|f|false)$/i.test(text)) return false;
  throw new UsageError(`${flag} is true or false, not "${text}"`);
}
