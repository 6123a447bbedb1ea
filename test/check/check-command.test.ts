import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, test, vi } from "vitest";
import { judge, runCheck } from "../../reports/check-command.ts";
import { printedBy } from "../kit/printed.ts";

const history = (name: string): string => fileURLToPath(new URL(`./histories/${name}`, import.meta.url));

afterEach(() => vi.restoreAllMocks());

const run = (...argv: readonly string[]) => printedBy(() => runCheck(argv));

describe("faultline check", () => {
  test("holds is exit 0, and --json prints one object and nothing else", async () => {
    const { code, stdout } = await run(history("recorded-etcd/etcd_002.log"), "--json");
    expect(code).toBe(0);
    expect(stdout.endsWith("}\n")).toBe(true);
    const verdict = JSON.parse(stdout);
    expect(Object.keys(verdict)).toEqual(["history", "verdict", "method", "operations", "wallMs", "detail"]);
    expect(verdict).toMatchObject({ verdict: "holds", method: "search", operations: 77 });
  });

  test("violated is exit 1 and says where every order fails", async () => {
    const { code, stdout } = await run(history("recorded-kv/c01-bad.txt"));
    expect(code).toBe(1);
    expect(stdout).toContain("violated");
    expect(stdout).toContain("every order fails at");
  });

  test("a missing file, an unknown format and an unknown flag are exit 2, with the remedy", async () => {
    expect(await run("no/such/file")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("give a history file"),
    });
    const wrong = await run(history("recorded-kv/c01-ok.txt"), "--format", "csv");
    expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining("use one of faultline") });
    expect((await run("x", "--frobnicate")).code).toBe(2);
    const mismatch = await run(history("recorded-kv/c01-ok.txt"), "--format", "kv-jsonl");
    expect(mismatch).toMatchObject({ code: 2, stderr: expect.stringContaining("line 1: expected") });
  });

  test("a budget that ends is unknown, in its own words", () => {
    const text = [
      '{"type":"meta","format":1}',
      '{"id":1,"client":1,"op":"put","key":"k","value":"a","call":0,"ret":9,"status":"ok"}',
      '{"id":2,"client":2,"op":"put","key":"k","value":"b","call":0,"ret":9,"status":"ok"}',
      '{"id":3,"client":3,"op":"get","key":"k","call":10,"ret":11,"status":"ok","out":"a"}',
    ].join("\n");
    expect(judge("h", text, "kv-jsonl", 1).verdict).toMatchObject({
      verdict: "unknown",
      detail: expect.stringContaining("within 1 steps"),
    });
    expect(judge("h", text, "kv-jsonl", 1_000).verdict.verdict).toBe("holds");
  });
});
