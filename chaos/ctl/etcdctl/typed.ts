/*
 * What was typed, as Go's flag library reads it, in the form commander reads: a verb by any beginning of it, a switch with
 * a value or without. And what commander has to say against it, in etcdctl's words with its exit codes.
 * etcdutl is read the same way. Source: etcd v3 contract, etcdctl, global rules.
 */
import { type Command, CommanderError, type Option } from "commander";
import { CtlError, ctlExit } from "./failure.ts";

export interface Typed {
  readonly argv: readonly string[];
  /** The command that its verbs lead to. */
  readonly command: Command;
}

/** @throws CtlError for a switch whose value is neither true nor false */
export function asTyped(program: Command, argv: readonly string[]): Typed {
  const whole: string[] = [];
  const path = [program];
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] ?? "";
    const command = path.at(-1) ?? program;
    if (word === "--") {
      whole.push(...argv.slice(at));
      break;
    }
    if (word.startsWith("-") && word !== "-") {
      const option = optionOf(path, word);
      whole.push(...flagWords(option, word));
      const takesNext = option?.required === true && !isSwitch(option) && !hasValue(word);
      const value = takesNext ? argv[++at] : undefined;
      if (value !== undefined) whole.push(value);
      continue;
    }
    const verb = command.commands.length === 0 ? undefined : verbOf(command, word);
    whole.push(verb?.name() ?? word);
    if (verb !== undefined) path.push(verb);
  }
  return { argv: whole, command: path.at(-1) ?? program };
}

/** Any beginning of a verb stands for it, as long as no other verb begins so. */
function verbOf(command: Command, word: string): Command | undefined {
  const names = (each: Command): string[] => [each.name(), ...each.aliases()];
  const exact = command.commands.find((each) => names(each).includes(word));
  const begun = command.commands.filter((each) => names(each).some((name) => name.startsWith(word)));
  return exact ?? (begun.length === 1 ? begun[0] : undefined);
}

const hasValue = (word: string): boolean => word.includes("=") || /^-[^-]./.test(word);

function optionOf(path: readonly Command[], word: string): Option | undefined {
  const name = word.startsWith("--") ? word.replace(/=.*$/s, "") : word.slice(0, 2);
  return path.flatMap(({ options }) => options).find(({ long, short }) => name === long || name === short);
}

/** On or off with a value of its own, so that a variable can say it too. */
const isSwitch = ({ flags }: Option): boolean => /[<[]bool(ean)?[>\]]$/.test(flags);

function flagWords(option: Option | undefined, word: string): string[] {
  if (option === undefined) return [word];
  if (isSwitch(option)) return [hasValue(word) ? word : `${word}=true`];
  if (option.required || option.optional) {
    // -w=json is --write-out=json to Go.
    return /^-[^-]=/.test(word) ? [`${option.long}${word.slice(2)}`] : [word];
  }
  const equals = word.indexOf("=");
  if (equals < 0) return [word];
  const isOn = switchOf(option.long ?? word, word.slice(equals + 1));
  return isOn ? [word.slice(0, equals)] : [];
}

/** Go's words for on and off. @throws CtlError for any other */
export function switchOf(flag: string, text: string): boolean {
  if (["1", "t", "T", "true", "TRUE", "True"].includes(text)) return true;
  if (["0", "f", "F", "false", "FALSE", "False"].includes(text)) return false;
  throw new CtlError(`invalid argument "${text}" for "${flag}" flag: it is true or false`, ctlExit.error);
}

// ---- wrong usage -----------------------------------------------------------------------------------------------

/** Verbs of the tool for etcd's API v2, and what does the same today. */
const formerVerbs: { readonly [verb: string]: string } = {
  ls: "get --prefix --keys-only KEY",
  set: "put KEY VALUE",
  update: "put KEY VALUE",
  mk: "txn, with create(KEY) = 0 and a put",
  rm: "del KEY, or del --prefix KEY",
  rmdir: "del --prefix KEY",
  mkdir: "nothing: there are no directories, a key may hold slashes",
  setdir: "nothing: there are no directories, a key may hold slashes",
  updatedir: "nothing: there are no directories; lease keep-alive renews what has a lease",
  "exec-watch": "watch KEY -- COMMAND",
  "cluster-health": "endpoint health --cluster",
  backup: "snapshot save FILE",
  import: "put KEY VALUE, for each key",
};

/** Verbs of etcdctl up to 3.5 that work on files. */
const movedVerbs: { readonly [verbs: string]: string } = {
  "snapshot status": "etcdutl snapshot status FILE",
  "snapshot restore": "etcdutl snapshot restore FILE --data-dir DIRECTORY",
  migrate: "etcdutl migrate --data-dir DIRECTORY --target-version 3.6",
};

/**
 * @param command the command that was meant
 * @returns what to print on standard error, and the exit code
 */
function wrongUsage(
  { code, message }: CommanderError,
  command: Command,
): { readonly text: string; readonly exitCode: number } {
  const quoted = /'([^']*)'/.exec(message)?.[1] ?? "";
  const path = pathOf(command);
  const tool = toolOf(command);
  const help = `Run '${tool}${path} --help' for usage.\n`;
  const error = (text: string, exitCode: number = ctlExit.error) => ({ text: `Error: ${text}\n${help}`, exitCode });
  switch (code) {
    case "commander.unknownCommand": {
      const hint = tool === "etcdctl" ? hintFor(`${path} ${quoted}`.trim()) : undefined;
      const guess = /\(Did you mean (.*)\?\)/s.exec(message)?.[1];
      const alike = guess === undefined ? "" : `\nDid you mean ${guess}?`;
      return error(`unknown command "${quoted}" for "${tool}${path}"${hint === undefined ? alike : `\n${hint}`}`);
    }
    case "commander.unknownOption": {
      const isOffline = path === " defrag" && quoted === "--data-dir";
      return error(
        `unknown flag: ${quoted}${isOffline ? "\nFor a member that does not run: etcdutl defrag --data-dir" : ""}`,
      );
    }
    case "commander.optionMissingArgument":
      return error(`flag needs an argument: ${quoted.replace(/[ <].*$/, "")}`);
    case "commander.missingArgument":
      return error(`${path.trim()} command needs ${operandsOf(command)}: ${quoted} is missing`, ctlExit.badArguments);
    case "commander.excessArguments": {
      const operands = operandsOf(command);
      const takes = operands === "" ? "takes no arguments" : `takes ${operands} and no more`;
      return error(`${path.trim()} command ${takes}`, ctlExit.badArguments);
    }
    default:
      return error(message.replace(/^error: /, ""));
  }
}

/** What to do in place of a verb of an older release; undefined: it is of none. */
function hintFor(verbs: string): string | undefined {
  if (Object.hasOwn(formerVerbs, verbs)) {
    return `"${verbs}" is a verb of API v2, which is gone; use ${formerVerbs[verbs]}`;
  }
  return Object.hasOwn(movedVerbs, verbs) ? `It is a verb of etcdutl now: ${movedVerbs[verbs]}` : undefined;
}

/** The word this tool is known by, however it was started. */
function toolOf(command: Command): string {
  if (command.parent !== null) return toolOf(command.parent);
  return command.name().split(" ").at(-1) ?? command.name();
}

/** The verbs that lead to a command, each with a blank before it; "" for the tool itself. */
function pathOf(command: Command): string {
  return command.parent === null ? "" : `${pathOf(command.parent)} ${command.name()}`;
}

const operandsOf = (command: Command): string =>
  command.registeredArguments
    .map((argument) => {
      const name = `${argument.name()}${argument.variadic ? "..." : ""}`;
      return argument.required ? `<${name}>` : `[${name}]`;
    })
    .join(" ");

/** Runs a tool with what was typed. @returns its exit code, 0 unless `exitCode` says otherwise */
export async function runTyped(program: Command, argv: readonly string[], exitCode: () => number): Promise<number> {
  // Whatever commander prints waits until it is known whether it is help or an error.
  let said = "";
  const hold = (text: string): void => {
    said += text;
  };
  holdOutput(program, hold);
  let meant: Command = program;
  try {
    const typed = asTyped(program, argv);
    meant = typed.command;
    await program.parseAsync([...typed.argv], { from: "user" });
    return exitCode();
  } catch (error) {
    if (error instanceof CommanderError) {
      // A verb that only leads to others explains itself; commander counts that as an error.
      if (error.exitCode === 0 || error.code === "commander.help") {
        process.stdout.write(said);
        return 0;
      }
      const wrong = wrongUsage(error, meant);
      process.stderr.write(wrong.text);
      return wrong.exitCode;
    }
    if (!(error instanceof CtlError)) throw error;
    process.stderr.write(`Error: ${error.message}\n`);
    return error.exitCode;
  }
}

/** Verbs were made before: each has settings of its own. */
function holdOutput(command: Command, hold: (text: string) => void): void {
  command.configureOutput({ writeOut: hold, writeErr: hold });
  for (const each of command.commands) holdOutput(each, hold);
}
