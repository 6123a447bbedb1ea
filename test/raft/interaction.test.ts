/*
 * Runs the interaction files of testdata/: stories of a cluster, each with its moral in front. What a file may say is in
 * theatre.ts; FAULTLINE_REWRITE=1 writes the outputs anew.
 */
import { describe, test } from "vitest";
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
