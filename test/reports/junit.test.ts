import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { escapeXml, quoteBytes } from "../../reports/html.ts";
import { junitOf } from "../../reports/junit.ts";
import { RunDirectory, readRunDirectory, summaryOf } from "../../reports/run-directory.ts";
import { syntheticRun } from "./synthetic.ts";

/** Throws on anything but balanced elements with quoted attributes and escaped text. */
function assertWellFormed(xml: string): void {
  const open: string[] = [];
  let rest = xml.replace(/^<\?xml [^?]*\?>\s*/, "");
  while (rest !== "") {
    const token =
      /^<\/([a-z]+)>|^<([a-z]+)((?:\s+[a-z]+="[^"<]*")*)\s*(\/?)>|^(?:[^<&]|&(?:amp|lt|gt|quot|#\d+);)+/.exec(rest);
    if (token === null) throw new Error(`malformed at: ${rest.slice(0, 60)}`);
    if (token[1] !== undefined) {
      if (open.pop() !== token[1]) throw new Error(`unbalanced </${token[1]}>`);
    } else if (token[2] !== undefined && token[4] === "") open.push(token[2]);
    rest = rest.slice(token[0].length);
  }
  if (open.length > 0) throw new Error(`never closed: ${open.join(", ")}`);
}

describe("JUnit", () => {
  test("is well formed whatever a client put into keys", () => {
    for (const keyText of ["plain", `]]></failure>"'<&>`, "\0\u0001\ud800\uffff", "line\nbreak\ttab"]) {
      assertWellFormed(junitOf([summaryOf(syntheticRun({ keyText }))]));
    }
  });

  test("a violated check is a failure and an unknown one an error: neither is green", () => {
    const xml = junitOf([summaryOf(syntheticRun())]);
    expect(xml).toContain('<testsuites name="faultline" tests="4" failures="1" errors="1">');
    expect(xml.match(/<failure /g)).toHaveLength(1);
    expect(xml.match(/<error /g)).toHaveLength(1);
    expect(xml).toContain("repeat: faultline sim leader-killed-during-writes --seed 42");
  });

  test("escaping keeps what XML can carry and replaces what it cannot", () => {
    expect(escapeXml('a<b & "c"')).toBe("a&lt;b &amp; &quot;c&quot;");
    expect(escapeXml("\u0000\ud800😀")).toBe("\ufffd\ufffd😀");
  });

  test("bytes are shown as printable ASCII, cut with their length", () => {
    expect(quoteBytes('a"\\\x00\xff')).toBe('"a\\"\\\\\\x00\\xff"');
    expect(quoteBytes("x".repeat(100), 4)).toBe('"xxxx…" (100 bytes)');
  });
});

describe("a run directory", () => {
  test("reads back what was written, and forgives only a last line cut short", () => {
    const path = mkdtempSync(join(tmpdir(), "faultline-run-"));
    try {
      const run = syntheticRun();
      const directory = RunDirectory.create(path, run.plan);
      directory.writeHistory(run.history);
      directory.writeVerdict(run);
      expect(readRunDirectory(path)).toEqual(run);
      const file = join(path, "history.jsonl");
      const text = readFileSync(file, "utf8");
      writeFileSync(file, `${text}{"type":"call","i`);
      expect(readRunDirectory(path).history).toHaveLength(run.history.length);
      writeFileSync(file, `{"type":"meta"\n${text}`);
      expect(() => readRunDirectory(path)).toThrow(/history\.jsonl:1: not a JSON line/);
    } finally {
      rmSync(path, { recursive: true });
    }
  });
});
