/*
 * Every planted bug has a witness: the shortest schedule that is green on the core as it is and red with the bug. A core
 * that changes so that a bug is no longer one, or a witness that no longer looks where the bug is, fails here.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { root } from "../tidy/sources.ts";
import { plantedBugs, plantedFolder, runWitness, withPlanted } from "./stage.ts";

const bugs = plantedBugs();
const readme = readFileSync(join(plantedFolder, "README.md"), "utf8");
const witnessOf = (name: string): string => {
  const witness = bugs.find((bug) => bug.name === name)?.witness;
  if (witness === undefined)
    throw new Error(`there is no ${name}.patch, or it names no witness: add a line "Witness: path"`);
  return witness;
};

test("every row of this folder's README names a bug that is there, and the witness it has", () => {
  const rows = [...readme.matchAll(/\| `([\w-]+)` \| `([\w/.-]+)` \|/g)];
  expect(rows.length).toBeGreaterThan(60);
  for (const [, name = "", witness = ""] of rows) {
    const path = witnessOf(name)
      .replace(/^test\/(?:planted\/)?/, "")
      .replace("/testdata/", "/");
    expect(witness, name).toBe(path.replace(/\.\w+$/, ""));
  }
});

describe("without any bug the witness is green", () => {
  const witnesses = [...new Set(bugs.map(({ name }) => witnessOf(name)))].sort((a, b) => (a < b ? -1 : 1));
  test.each(witnesses)("%s", (witness) => runWitness(witness, root));
});

describe("with the bug the witness is red", () => {
  test.each(bugs.map(({ name }) => name))("%s", async (name) => {
    const bug = bugs.find((each) => each.name === name);
    if (bug === undefined) throw new Error("unreachable");
    await withPlanted(bug, async (copy) => {
      const outcome = await runWitness(witnessOf(name), copy).then(
        () => "green: this witness does not see the bug",
        (error: unknown) => (isOfTheBug(error) ? "red" : `broken: ${String(error)}`),
      );
      expect(outcome).toBe("red");
    });
  });
});

/** A copy that cannot be read or run at all is no finding. */
const isOfTheBug = (error: unknown): boolean =>
  !(
    error instanceof SyntaxError ||
    error instanceof ReferenceError ||
    /Failed to load|Transform failed/.test(`${error}`)
  );
