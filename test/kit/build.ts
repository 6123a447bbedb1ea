/*
 * Tests that start programs start them as users do, from dist/: once before all tests it is built from the sources, in
 * half a second when nothing is new. A process of its own that had to translate the sources first would take a second
 * longer, for each of hundreds.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";

const root = join(import.meta.dirname, "../..");

/** The program, as arguments of node. */
export const builtProgram = join(root, "dist", "faultline.js");

export default function setup(): void {
  const { status, stdout } = spawnSync(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-b"], {
    cwd: root,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`the sources do not compile:\n${stdout}`);
}
