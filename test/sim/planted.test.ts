import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { applyPatch, parsePatch } from "../../sim/patch.ts";
import { root } from "../tidy/sources.ts";

const folder = join(root, "test", "planted");
const patches = readdirSync(folder).filter((file) => file.endsWith(".patch"));

test("there are bugs to plant", () => {
  expect(patches.length).toBeGreaterThan(10);
});

test.each(patches)("%s says what it does, names its witness, fits today's sources and changes them", (file) => {
  const { about, files } = parsePatch(readFileSync(join(folder, file), "utf8"));
  expect(about.split("\n")[0]).toMatch(/^[A-Z].*\.$/);
  const witness = /^Witness: (\S+)$/m.exec(about)?.[1];
  expect(witness, "a line `Witness: path` names what turns red; see test/planted/README.md").toBeDefined();
  expect(existsSync(join(root, witness ?? "")), `${witness} is there`).toBe(true);
  expect(files.length).toBeGreaterThan(0);
  for (const each of files) {
    expect(each.path).toMatch(/^(?:core|chaos\/member)\//);
    const before = readFileSync(join(root, each.path), "utf8");
    expect(applyPatch(before, each)).not.toBe(before);
  }
});

const legal = readdirSync(join(folder, "legal")).filter((file) => file.endsWith(".patch"));

test.each(legal)("legal/%s says why it is legal, fits today's sources and changes them", (file) => {
  const { about, files } = parsePatch(readFileSync(join(folder, "legal", file), "utf8"));
  expect(about).toMatch(/^Legal: \S/m);
  expect(files.length).toBeGreaterThan(0);
  for (const each of files) {
    const before = readFileSync(join(root, each.path), "utf8");
    expect(applyPatch(before, each)).not.toBe(before);
  }
});
