/*
 * The table of this folder's README names stories, tests, scenarios and planted bugs: each is there, under that name.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { scenarioNamed } from "../../scenarios/index.ts";
import { smallScenarios } from "../../scenarios/small/index.ts";
import { root } from "../tidy/sources.ts";

const here = join(root, "test", "raft");
const readme = readFileSync(join(here, "README.md"), "utf8");
const rows = readme.split("\n").filter((line) => /^\| (?!promise|what arrives|-)/.test(line));

const isThere = (name: string): boolean =>
  name.endsWith(".txt")
    ? ["raft", "storage"].some((room) => existsSync(join(root, "test", room, "testdata", name)))
    : name.endsWith(".ts")
      ? existsSync(join(here, name))
      : scenarioNamed(name) !== undefined || smallScenarios.some((small) => small.name === name);

test("every row names what turns red without its promise, and all of it is there", () => {
  expect(rows.length).toBeGreaterThan(40);
  for (const row of rows) {
    const [, , evidence = "", planted = ""] = row.split("|");
    const names = [...evidence.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name);
    expect(names.length, row).toBeGreaterThan(0);
    for (const name of names) expect(isThere(name), name).toBe(true);
    for (const [, bug = ""] of planted.matchAll(/`([^`]+)`/g)) {
      expect(existsSync(join(root, "test", "planted", `${bug}.patch`)), bug).toBe(true);
    }
  }
});

test("every test that a row quotes is in the file before it", () => {
  let quoted = 0;
  for (const row of rows) {
    for (const [, file = "", titles = ""] of row.matchAll(/`([^`]+\.ts)`((?:,? "[^"]+")+)/g)) {
      const source = readFileSync(join(here, file), "utf8");
      for (const [, title = ""] of titles.matchAll(/"([^"]+)"/g)) {
        quoted += 1;
        expect(source.includes(`"${title}"`), `${file}: ${title}`).toBe(true);
      }
    }
  }
  expect(quoted).toBeGreaterThan(20);
});
