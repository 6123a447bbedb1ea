/*
 * Programs of the system that a drill runs for itself (ip, nft, tc, mount): run to their end, with what they said when
 * they did not do it.
 */
import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** A program did not do what it was there for; the message has the command and the program's own words. */
export class ToolProblem extends Error {
  override readonly name = "ToolProblem";
}

/** Administrators' programs are often outside of a user's own path. */
const moreDirectories = ["/usr/sbin", "/sbin"];

/** The file of that program; undefined: it is not installed. */
export function programNamed(name: string): string | undefined {
  const directories = [...(process.env["PATH"] ?? "").split(delimiter), ...moreDirectories];
  return directories.map((directory) => join(directory, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * Runs a program to its end.
 *
 * @param input its standard input; nothing when absent
 * @returns its standard output
 * @throws ToolProblem when it is not installed, or its exit code is not 0
 */
export async function runTool(command: readonly string[], input = ""): Promise<string> {
  const [name = "", ...args] = command;
  const program = programNamed(name);
  if (program === undefined) throw new ToolProblem(`${name} is not installed`);
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] });
  let output = "";
  let said = "";
  child.stdout.on("data", (bytes) => {
    output += bytes;
  });
  child.stderr.on("data", (bytes) => {
    said += bytes;
  });
  // One that ends without reading is judged by its exit code.
  child.stdin.on("error", () => undefined);
  child.stdin.end(input);
  const how = await new Promise<string | undefined>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code, signal) => resolve(code === 0 ? undefined : (signal ?? `exit code ${code}`)));
  });
  if (how === undefined) return output;
  const words = said.trim().split("\n")[0] ?? "";
  throw new ToolProblem(`${command.join(" ")}: ${words === "" ? how : words}`);
}

/** What went wrong, when that is a program's failure. */
export async function problemOf(work: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    if (error instanceof ToolProblem) return error.message;
    throw error;
  }
}
