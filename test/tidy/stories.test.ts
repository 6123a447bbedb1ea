/*
 * Interaction files are stories, to be read aloud: each opens with its moral, one or two sentences on what must hold and
 * what would be lost otherwise.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { dataFilesIn } from "../kit/datadriven.ts";
import { root } from "./sources.ts";

const rooms = { "test/raft/testdata": 40, "test/storage/testdata": 8 } as const;

describe.each(Object.entries(rooms))("%s", (folder, least) => {
  const names = dataFilesIn(join(root, folder));

  test("has a story for every claim on its papers", () => {
    expect(names.length).toBeGreaterThanOrEqual(least);
  });

  test.each(names)("%s opens with its moral: a paragraph of its own, before the first scene", (name) => {
    const [moral = "", scene = ""] = readFileSync(join(root, folder, name), "utf8").split("\n\n");
    expect(moral.split("\n").every((line) => line.startsWith("# "))).toBe(true);
    expect(moral.split(/\s+/).length, "words of the moral").toBeGreaterThan(12);
    expect(moral.endsWith("."), "the moral is made of sentences").toBe(true);
    expect(scene, "a scene follows").toMatch(/^(?:# |cluster |new )/);
  });
});
