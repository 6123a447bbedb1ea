/*
 * A password that is typed: not shown at a terminal; one line of standard input where there is none.
 */
import { createInterface } from "node:readline";
import { Writable } from "node:stream";
import { badArguments } from "./failure.ts";

/** @throws CtlError when standard input ends before a line did */
export function askUnseen(prompt: string): Promise<string> {
  process.stdout.write(prompt);
  const unseen = new Writable({ write: (_piece, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: unseen, terminal: process.stdin.isTTY === true });
  return new Promise((resolve, reject) => {
    lines.once("line", (line) => {
      resolve(line);
      lines.close();
      if (prompt !== "") process.stdout.write("\n");
    });
    lines.once("close", () => reject(badArguments("no password was given")));
  });
}
