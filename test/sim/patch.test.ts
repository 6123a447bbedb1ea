import { expect, test } from "vitest";
import { applyPatch, parsePatch } from "../../sim/patch.ts";

const patch = `Votes are granted blindly.

--- a/core/a.ts
+++ b/core/a.ts
@@ -2,3 +2,3 @@ somewhere
 two
-three
+THREE
 four
@@ -6,2 +6,3 @@
 six
+six and a half
 seven
`;
const content = ["one", "two", "three", "four", "five", "six", "seven", ""].join("\n");

test("a diff has a text, files and hunks", () => {
  const { about, files } = parsePatch(patch);
  expect(about).toBe("Votes are granted blindly.");
  expect(files.map((file) => [file.path, file.hunks.length])).toEqual([["core/a.ts", 2]]);
});

test("its lines are replaced where they stand, also when the file has moved", () => {
  const [file] = parsePatch(patch).files;
  if (file === undefined) throw new Error("no file");
  const changed = ["one", "two", "THREE", "four", "five", "six", "six and a half", "seven", ""].join("\n");
  expect(applyPatch(content, file)).toBe(changed);
  expect(applyPatch(`zero\nzero\n${content}`, file)).toBe(`zero\nzero\n${changed}`);
});

test("a diff that does not fit any more is refused", () => {
  const [file] = parsePatch(patch).files;
  if (file === undefined) throw new Error("no file");
  expect(() => applyPatch(content.replace("four", "4"), file)).toThrow("core/a.ts: the lines around 2");
  expect(() => parsePatch("no diff at all")).toThrow("no unified diff");
});
