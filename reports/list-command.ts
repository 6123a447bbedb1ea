/*
 * faultline list: what there is to run, to break and to check, by name, with one sentence each.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { allChecks } from "../scenarios/check/all.ts";
import { drilledOn, type FaultName, faultMeanings } from "../scenarios/faults.ts";
import { scenarios } from "../scenarios/index.ts";
import { runVerb } from "./command.ts";
import { UsageError } from "./exit-code.ts";

interface Row {
  readonly name: string;
  readonly meaning: string;
  /** More for tools; people see it in brackets. */
  readonly more?: { readonly [field: string]: unknown };
}

const kinds: { readonly [kind: string]: () => readonly Row[] } = {
  scenarios: () =>
    scenarios.map(({ name, why, worlds, worldsWhy, ownMembersWhy, checks: names }) => ({
      name,
      meaning: why,
      more: {
        worlds,
        checks: names,
        ...(worldsWhy === undefined ? {} : { worldsWhy }),
        ...(ownMembersWhy === undefined ? {} : { ownMembersWhy }),
      },
    })),
  faults: () =>
    (Object.keys(faultMeanings) as FaultName[]).map((name) => ({
      name,
      meaning: faultMeanings[name],
      more: { drilledOn: drilledOn[name] },
    })),
  checks: () => allChecks().map(({ name, meaning }) => ({ name, meaning })),
  bugs: plantedBugs,
};

/**
 * Each is a patch whose first line says what the bug does, and another one which witness shows it; there are none outside
 * a source checkout.
 */
function plantedBugs(): Row[] {
  // Beside the sources, and from the compiled files one folder further up.
  const places = ["../test/planted", "../../test/planted"].map((path) => fileURLToPath(new URL(path, import.meta.url)));
  const patches = places.find((path) => existsSync(path));
  if (patches === undefined) return [];
  return readdirSync(patches)
    .filter((file) => file.endsWith(".patch"))
    .sort((a, b) => (a < b ? -1 : 1))
    .map((file) => {
      const text = readFileSync(join(patches, file), "utf8");
      const witness = /^Witness: (\S+)$/m.exec(text)?.[1];
      const meaning = text.split("\n")[0] ?? "";
      return {
        name: file.slice(0, -".patch".length),
        meaning,
        ...(witness === undefined ? {} : { more: { witness } }),
      };
    });
}

/** @param argv after the verb */
export function runList(argv: readonly string[]): Promise<number> {
  return runVerb("faultline list", argv, (program) => {
    program
      .description("list scenarios, faults, checks or planted bugs")
      .argument("[KIND]", `${Object.keys(kinds).join(", ")} (default: all)`)
      .option("--json", "one JSON object a line")
      .addHelpText("after", "\nExample:\n  faultline list scenarios\n")
      .action((kind: string | undefined, flags: { readonly json?: boolean }) => {
        if (kind !== undefined && !Object.hasOwn(kinds, kind)) {
          throw new UsageError(`faultline list ${kind}: give one of ${Object.keys(kinds).join(", ")}`);
        }
        const chosen = kind === undefined ? Object.keys(kinds) : [kind];
        for (const name of chosen) print(name, kinds[name]?.() ?? [], flags.json === true, chosen.length > 1);
      });
  });
}

function bracketsOf(more: Row["more"]): unknown {
  if (more?.["drilledOn"] !== undefined) return `drills: ${more["drilledOn"]}`;
  if (!Array.isArray(more?.["worlds"])) return more?.["witness"];
  const worlds = more["worlds"].join(", ");
  return more["ownMembersWhy"] === undefined ? worlds : `${worlds}: own members`;
}

function print(kind: string, rows: readonly Row[], json: boolean, titled: boolean): void {
  if (json) {
    for (const { name, meaning, more } of rows) {
      process.stdout.write(`${JSON.stringify({ kind: kind.slice(0, -1), name, meaning, ...more })}\n`);
    }
    return;
  }
  const width = Math.max(0, ...rows.map(({ name }) => name.length));
  if (titled) process.stdout.write(`${kind}\n`);
  for (const { name, meaning, more } of rows) {
    const brackets = bracketsOf(more);
    const shown = brackets === undefined ? "" : ` [${brackets}]`;
    process.stdout.write(`${titled ? "  " : ""}${name.padEnd(width)}  ${meaning}${shown}\n`);
  }
}
