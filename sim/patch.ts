/*
 * Unified diffs, applied strictly: every context line must be where the diff says, up to a shift of whole hunks. Enough
 * for planted bugs, which change a few lines of one or two files; nothing is created, deleted or renamed.
 */

export interface FilePatch {
  /** Path in the project, from the `+++ b/` line. */
  readonly path: string;
  readonly hunks: readonly Hunk[];
}
interface Hunk {
  /** Line in the old file, from 1. */
  readonly from: number;
  /** With their first character: space, minus or plus. */
  readonly lines: readonly string[];
}

/** @throws Error when it is no unified diff */
export function parsePatch(text: string): { readonly about: string; readonly files: readonly FilePatch[] } {
  const lines = text.split("\n");
  const files: { path: string; hunks: { from: number; lines: string[] }[] }[] = [];
  const about: string[] = [];
  let hunk: { from: number; lines: string[] } | undefined;
  for (const line of lines) {
    const path = /^\+\+\+ b\/(.+?)\s*$/.exec(line)?.[1];
    const from = /^@@ -(\d+)(?:,\d+)? \+\d+(?:,\d+)? @@/.exec(line)?.[1];
    if (path !== undefined) {
      files.push({ path, hunks: [] });
      hunk = undefined;
    } else if (from !== undefined) {
      hunk = { from: Number(from), lines: [] };
      files.at(-1)?.hunks.push(hunk);
    } else if (hunk !== undefined && /^[ +-]/.test(line) && !line.startsWith("--- a/")) hunk.lines.push(line);
    else if (files.length === 0 && !/^(?:--- |diff |index )/.test(line)) about.push(line);
    else hunk = undefined;
  }
  if (files.length === 0 || files.some((file) => file.hunks.length === 0)) throw new Error("this is no unified diff");
  return { about: about.join("\n").trim(), files };
}

/** @throws Error when a hunk does not fit: the file changed since the diff was made */
export function applyPatch(content: string, patch: FilePatch): string {
  const lines = content.split("\n");
  let shift = 0;
  for (const hunk of patch.hunks) {
    const before = hunk.lines.filter((line) => !line.startsWith("+")).map((line) => line.slice(1));
    const after = hunk.lines.filter((line) => !line.startsWith("-")).map((line) => line.slice(1));
    const at = placeOf(lines, before, hunk.from - 1 + shift);
    if (at === undefined) throw new Error(`${patch.path}: the lines around ${hunk.from} are not those of the patch`);
    lines.splice(at, before.length, ...after);
    shift = at - (hunk.from - 1) + after.length - before.length;
  }
  return lines.join("\n");
}

/** The place nearest to the expected one where these lines stand. */
function placeOf(lines: readonly string[], wanted: readonly string[], expected: number): number | undefined {
  const fits = (at: number): boolean => at >= 0 && wanted.every((line, offset) => lines[at + offset] === line);
  for (let far = 0; far <= lines.length; far++) {
    if (fits(expected + far)) return expected + far;
    if (fits(expected - far)) return expected - far;
  }
  return undefined;
}
