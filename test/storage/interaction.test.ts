/*
 * Runs the interaction files of testdata/: stories of one log and its disk, each with its moral in front. What a file may
 * say is in theatre.ts; FAULTLINE_REWRITE=1 writes the outputs anew.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { dataFilesIn, runDataFile } from "../kit/datadriven.ts";
import { StorageTheatre } from "./theatre.ts";

const folder = new URL("testdata/", import.meta.url).pathname;
const names = dataFilesIn(folder);

describe("interaction files", () => {
  for (const name of names) {
    test(name.replace(".txt", ""), () => {
      const theatre = new StorageTheatre();
      runDataFile({ folder, name, execute: (command) => theatre.execute(command) });
    });
  }
});

test.each(names)("%s opens with its moral: a paragraph of its own, before the first scene", (name) => {
  const [moral = ""] = readFileSync(join(folder, name), "utf8").split("\n\n");
  expect(moral.split("\n").every((line) => line.startsWith("# "))).toBe(true);
  expect(moral.split(/\s+/).length, "words of the moral").toBeGreaterThan(12);
  expect(moral.endsWith("."), "the moral is made of sentences").toBe(true);
});
