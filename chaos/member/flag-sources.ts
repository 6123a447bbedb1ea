/*
 * Where values of flags come from: the command line and variables of the environment. Their form is checked here, their
 * meaning in flags.ts. Source: etcd configuration, §1 sources.
 */
import { durationMs } from "./durations.ts";
import { helpText, usageText } from "./flag-help.ts";
import { FlagProblem, misuse, refuse } from "./flag-problem.ts";
import { type FlagName, flagTable, formerFlags, goneFlags, isFlagName } from "./flag-table.ts";

export type Environment = { readonly [name: string]: string | undefined };

/** What was set by hand, in the form of the command line. */
export type Given = Map<FlagName, string>;

/** Programs that etcd's binary holds beside the member. */
const otherPrograms: { readonly [word: string]: string } = {
  gateway: "etcd gateway is not part of this program; give clients the end points of all members instead",
  "grpc-proxy": "etcd grpc-proxy is not part of this program; give clients the end points of all members instead",
};

/** @throws FlagProblem for an unknown flag, a value of the wrong form, and where only something is to be printed */
export function readCommandLine(argv: readonly string[], version: readonly string[]): Given {
  const given: Given = new Map();
  const writtenAs = new Map<string, string>();
  for (let position = 0; position < argv.length; position++) {
    const word = argv[position] ?? "";
    if (position === 0 && Object.hasOwn(otherPrograms, word)) {
      throw new FlagProblem({ kind: "print", stdout: "", stderr: `${otherPrograms[word]}\n`, exitCode: 1 });
    }
    if (!/^--?[^-]/.test(word)) {
      throw new FlagProblem({ kind: "print", stdout: "", stderr: `"${word}" is not a valid flag\n`, exitCode: 1 });
    }
    const body = word.replace(/^--?/, "");
    const equals = body.indexOf("=");
    const written = equals < 0 ? body : body.slice(0, equals);
    const name = presentName(written, writtenAs);
    if (name === "help" || name === "h") {
      throw new FlagProblem({ kind: "print", stdout: helpText(), stderr: "", exitCode: 0 });
    }
    if (name === "version") {
      throw new FlagProblem({ kind: "print", stdout: `${version.join("\n")}\n`, stderr: "", exitCode: 0 });
    }
    if (!isFlagName(name)) {
      const gone = Object.hasOwn(goneFlags, name) ? `${goneFlags[name]}\n` : "";
      return misuse(`flag provided but not defined: -${name}\n${gone}${usageText}`);
    }
    if (equals >= 0) given.set(name, body.slice(equals + 1));
    else if (flagTable[name].kind === "switch") given.set(name, "true");
    else {
      position += 1;
      const value = argv[position];
      if (value === undefined) return misuse(`flag needs an argument: -${name}\n${usageText}`);
      given.set(name, value);
    }
    checkForm(name, given.get(name) ?? "");
  }
  return given;
}

/** The name a flag has now; one that is given under both its names is refused. */
function presentName(written: string, writtenAs: Map<string, string>): string {
  const name = Object.hasOwn(formerFlags, written) ? (formerFlags[written] ?? written) : written;
  const other = writtenAs.get(name);
  if (other !== undefined && other !== written) {
    refuse(`cannot set --experimental-${name} and --${name} at the same time, please use --${name} only`);
  }
  writtenAs.set(name, written);
  return name;
}

/**
 * Adds what variables say; a flag with a variable of its own beside it is refused.
 *
 * @returns warnings
 * @throws FlagProblem
 */
export function readEnvironment(given: Given, environment: Environment): string[] {
  const warnings: string[] = [];
  const known = new Map(Object.keys(flagTable).map((name) => [variableOf(name), name as FlagName]));
  for (const [former, name] of Object.entries(formerFlags)) known.set(variableOf(former), name);
  for (const variable of Object.keys(environment).sort((a, b) => (a < b ? -1 : 1))) {
    const value = environment[variable];
    if (!variable.startsWith("ETCD_") || value === undefined || value === "") continue;
    const name = known.get(variable);
    if (name === undefined) {
      warnings.push(`unrecognized environment variable: ${variable}=${value}`);
      continue;
    }
    if (given.has(name)) {
      refuse(
        `conflicting environment variable is shadowed by corresponding command-line flag (either unset environment variable or disable flag)): ${variable}=${value}`,
      );
    }
    const problem = formProblem(name, value);
    if (problem !== undefined) refuse(`invalid value "${value}" for ${variable}: ${problem}`);
    given.set(name, value);
  }
  return warnings;
}

const variableOf = (flag: string): string => `ETCD_${flag.toUpperCase().replaceAll("-", "_")}`;

function checkForm(name: FlagName, value: string): void {
  const problem = formProblem(name, value);
  if (problem !== undefined) misuse(`invalid value "${value}" for flag -${name}: ${problem}\n${usageText}`);
}

/** Numbers that may be below 0; all others count something. */
const signedFlags: ReadonlySet<FlagName> = new Set([
  "quota-backend-bytes",
  "backend-batch-limit",
  "compaction-batch-limit",
  "max-learners",
  "distributed-tracing-sampling-rate",
]);

/** What is wrong with the form of a value; undefined: nothing. */
export function formProblem(name: FlagName, value: string): string | undefined {
  switch (flagTable[name].kind) {
    case "switch":
      return switchOf(value) === undefined ? "parse error" : undefined;
    case "whole": {
      const isWhole = /^-?\d+$/.test(value) && Number.isSafeInteger(Number(value));
      return isWhole && (Number(value) >= 0 || signedFlags.has(name)) ? undefined : "parse error";
    }
    case "duration":
      return value === "" || durationMs(value) !== undefined ? undefined : "parse error";
    default:
      break;
  }
  if (name === "initial-cluster-state" && value !== "new" && value !== "existing") return `invalid value "${value}"`;
  return undefined;
}

/** undefined: neither on nor off. */
export function switchOf(value: string): boolean | undefined {
  if (["1", "t", "T", "true", "TRUE", "True"].includes(value)) return true;
  if (["0", "f", "F", "false", "FALSE", "False"].includes(value)) return false;
  return undefined;
}
