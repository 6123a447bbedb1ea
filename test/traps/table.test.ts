import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { root } from "../tidy/sources.ts";

interface Row {
  readonly trap: number;
  readonly file: string;
  readonly name: string;
}

const rows: readonly Row[] = readFileSync(join(root, "test/traps/README.md"), "utf8")
  .split("\n")
  .map((line) => /^\| (\d+) [^|]+ \| (test\/\S+\.test\.ts) \| (.+) \|$/.exec(line))
  .filter((match) => match !== null)
  .map(([, trap = "", file = "", name = ""]) => ({ trap: Number(trap), file, name }));

test("each of the twenty traps has a test", () => {
  const traps = new Set(rows.map(({ trap }) => trap));
  expect([...traps]).toEqual(Array.from({ length: 20 }, (_, before) => before + 1));
});

test.each(rows)("$trap: $name", ({ file, name }) => {
  const text = readFileSync(join(root, file), "utf8");
  expect([`"${name}"`, `\`${name}\``].some((quoted) => text.includes(quoted)) ? name : `not in ${file}`).toBe(name);
});
