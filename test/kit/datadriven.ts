/*
 * Interaction files: prose, commands, `----`, and the exact output of those commands up to the next blank line. Lines
 * that begin with `#` are prose. With FAULTLINE_REWRITE=1 the outputs are written anew instead of compared; the
 * difference is then read like code. The form is that of the data-driven tests CockroachDB and etcd use for Raft.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";

/** One command line: `propose 1 lost size=3 drop=(2,3)`. */
export interface Command {
  readonly name: string;
  /** Words without `=`, in order. */
  readonly words: readonly string[];
  /** `drop=(2,3)` has the values 2 and 3, `size=3` the one value 3. */
  readonly options: ReadonlyMap<string, readonly string[]>;
  /** As written, for messages. */
  readonly line: string;
}

interface Block {
  /** Prose and blank lines before the commands. */
  readonly before: readonly string[];
  readonly commandLines: readonly string[];
  readonly expected: string;
}

/** Names of the interaction files in a folder, in byte order. */
export const dataFilesIn = (folder: string): readonly string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith(".txt"))
    .sort((a, b) => (a < b ? -1 : 1));

/** Runs every command of the file in order; `execute` returns the output lines of one command. */
export function runDataFile(options: {
  readonly folder: string;
  readonly name: string;
  readonly execute: (command: Command) => readonly string[];
}): void {
  const path = join(options.folder, options.name);
  const { blocks, end } = parseBlocks(readFileSync(path, "utf8"));
  const rewritten: string[] = [];
  for (const block of blocks) {
    const lines: string[] = [];
    for (const line of block.commandLines) lines.push(...options.execute(parseCommand(line)));
    const actual = lines.length === 0 ? "ok" : lines.join("\n");
    if (process.env["FAULTLINE_REWRITE"] === "1") {
      rewritten.push(...block.before, ...block.commandLines, "----", actual);
    } else {
      expect(actual, `${options.name}: ${block.commandLines.join("; ")}`).toBe(block.expected);
    }
  }
  if (rewritten.length > 0) writeFileSync(path, `${[...rewritten, ...end].join("\n").trimEnd()}\n`);
}

function parseCommand(line: string): Command {
  const [name, ...rest] = line.match(/[^\s(]+\([^)]*\)|\S+/g) ?? [];
  if (name === undefined) throw new Error(`no command in "${line}"`);
  const words: string[] = [];
  const options = new Map<string, readonly string[]>();
  for (const part of rest) {
    const equals = part.indexOf("=");
    if (equals < 0) words.push(part);
    else options.set(part.slice(0, equals), part.slice(equals + 1).match(/[^(),\s]+/g) ?? []);
  }
  return { name, words, options, line };
}

function parseBlocks(text: string): { readonly blocks: readonly Block[]; readonly end: readonly string[] } {
  const lines = text.split("\n");
  const blocks: Block[] = [];
  let position = 0;
  for (;;) {
    const start = position;
    while (position < lines.length && isProse(lines[position] as string)) position++;
    const before = lines.slice(start, position);
    if (position >= lines.length) return { blocks, end: before };
    const commandStart = position;
    while (position < lines.length && lines[position] !== "----") position++;
    const commandLines = lines.slice(commandStart, position).filter((line) => !isProse(line));
    const outputStart = position + 1;
    position = outputStart;
    while (position < lines.length && lines[position] !== "") position++;
    blocks.push({ before, commandLines, expected: lines.slice(outputStart, position).join("\n") });
  }
}

const isProse = (line: string): boolean => line.trim() === "" || line.startsWith("#");
