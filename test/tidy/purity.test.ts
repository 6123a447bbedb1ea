import { expect, test } from "vitest";
import { sourceFiles, withoutComments } from "./sources.ts";

/** What would let the outside world into the deterministic folders. */
const outside: readonly (readonly [RegExp, string])[] = [
  [/\bDate\b/, "Date"],
  [/\bperformance\b/, "performance"],
  [/\bMath\s*\.\s*random\b|\bMath\s*\[|=\s*Math\s*[;,)]/, "Math.random, or Math under another name"],
  [/\b(?:setTimeout|setInterval|setImmediate|queueMicrotask|requestAnimationFrame)\b/, "timers"],
  [/\bPromise\b|\basync\b|\bawait\b/, "promises"],
  [/\bprocess\s*[.[]|\bglobalThis\b/, "process or globalThis"],
  [/\bconsole\s*\./, "console"],
  [/"node:[a-z/]+"|\brequire\s*\(/, "node modules"],
  [/\bIntl\b|\.localeCompare\b|\.toLocale[A-Z]\w*/, "locales"],
  [/\.sort\(\s*\)|\.toSorted\(\s*\)/, "a sort without an order"],
  [/\bcrypto\b|\bfetch\s*\(/, "crypto or fetch"],
  [/\bWeakRef\b|\bFinalizationRegistry\b/, "garbage collection"],
];

function findOutside(code: string): string[] {
  return code
    .split("\n")
    .flatMap((line, position) =>
      outside.flatMap(([pattern, what]) => (pattern.test(line) ? [`${position + 1}: ${what}`] : [])),
    );
}

test("core and scenarios touch no clock, chance, promise, process or locale", () => {
  const files = sourceFiles(["core", "scenarios"]);
  expect(files.length).toBeGreaterThan(30);
  expect(files.flatMap((file) => findOutside(file.code).map((found) => `${file.path}:${found}`))).toEqual([]);
});

test("core and scenarios keep no state at module level", () => {
  const found = sourceFiles(["core", "scenarios"]).flatMap((file) =>
    file.code
      .split("\n")
      .flatMap((line, position) =>
        /^(?:export )?(?:let|var)\b/.test(line) ? [`${file.path}:${position + 1}: ${line}`] : [],
      ),
  );
  expect(found).toEqual([]);
});

test.each([
  "const now = Date.now();",
  "const started = new Date();",
  "const chance = Math.random();",
  "const m = Math;",
  "setTimeout(run, 1);",
  "async function run() {}",
  "const value = await read();",
  "process.exit(1);",
  "console.log(1);",
  'import { readFileSync } from "node:fs";',
  "names.sort();",
  "a.localeCompare(b);",
])("the guard itself sees: %s", (line) => {
  expect(findOutside(line)).not.toEqual([]);
});

test("the guard reads code, not comments", () => {
  expect(findOutside(withoutComments("// Date.now() is not for us\n/* Math.random() */\nconst x = 1;"))).toEqual([]);
});
