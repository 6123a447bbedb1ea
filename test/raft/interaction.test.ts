/*
 * Runs the interaction files of testdata/: stories of a cluster, each with its moral in front. What a file may say is in
 * theatre.ts; FAULTLINE_REWRITE=1 writes the outputs anew.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { dataFilesIn, runDataFile } from "../kit/datadriven.ts";
import { Theatre } from "./theatre.ts";

const folder = new URL("testdata/", import.meta.url).pathname;
const names = dataFilesIn(folder);

describe("interaction files", () => {
  for (const name of names) {
    test(name.replace(".txt", ""), () => {
      const theatre = new Theatre();
      runDataFile({ folder, name, execute: (command) => theatre.execute(command) });
    });
  }
});

describe("what an interaction file is", () => {
  test.each(names)("%s opens with its moral: a paragraph of its own, before the first scene", (name) => {
    const [moral = "", scene = ""] = readFileSync(join(folder, name), "utf8").split("\n\n");
    expect(moral.split("\n").every((line) => line.startsWith("# "))).toBe(true);
    expect(moral.split(/\s+/).length, "words of the moral").toBeGreaterThan(12);
    expect(moral.endsWith("."), "the moral is made of sentences").toBe(true);
    expect(scene.startsWith("# ") || scene.startsWith("cluster "), "a scene follows").toBe(true);
  });

  test("every claim on the Raft thesis has a story", () => {
    expect(names.length).toBeGreaterThanOrEqual(40);
  });
});
