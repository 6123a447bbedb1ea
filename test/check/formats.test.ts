import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { judge } from "../../reports/check-command.ts";
import { FormatError, type FormatName } from "../../scenarios/check/formats/format.ts";
import { guessFormat, parseHistory } from "../../scenarios/check/formats/parse.ts";
import { scenarioNamed } from "../../scenarios/index.ts";
import { planOf, runPlan } from "../../sim/runner.ts";
import { generate } from "./generate.ts";

const folder = new URL("./histories/", import.meta.url);
const read = (name: string): string => readFileSync(new URL(name, folder), "utf8");
const expected: { readonly [file: string]: string } = JSON.parse(read("expected.json"));
const steps = 10_000_000;
const verdictOf = (text: string, format: FormatName): string => judge("h", text, format, steps).verdict.verdict;

describe("recorded histories", () => {
  test("every recorded history gets its known verdict, its format guessed", () => {
    const wrong: string[] = [];
    for (const [file, verdict] of Object.entries(expected)) {
      const text = read(file);
      const format = guessFormat(text);
      if (format === undefined || verdictOf(text, format) !== verdict) wrong.push(file);
    }
    expect(Object.keys(expected).length).toBe(55);
    expect(wrong).toEqual([]);
  });
});

describe("kv-jsonl", () => {
  const header = '{"type":"meta","format":1,"name":"n","seed":1,"startRevision":1,"expect":"ok"}';
  const lines = (...rest: readonly string[]): string => [header, ...rest, ""].join("\n");
  const put = (id: number, call: number, ret: number, value: string, rev?: number): string =>
    JSON.stringify({ id, client: id, op: "put", key: "k", value, call, ret, status: "ok", rev });
  const get = (id: number, call: number, ret: number, out: string | null, rev?: number, mod?: number): string =>
    JSON.stringify({ id, client: id, op: "get", key: "k", call, ret, status: "ok", out, rev, mod });

  test("values alone decide where no revisions are given", () => {
    expect(verdictOf(lines(put(1, 0, 1, "a"), get(2, 2, 3, "a")), "kv-jsonl")).toBe("holds");
    expect(verdictOf(lines(put(1, 0, 1, "a"), get(2, 2, 3, null)), "kv-jsonl")).toBe("violated");
  });

  test("equal times are concurrent", () => {
    expect(verdictOf(lines(put(1, 0, 5, "a"), get(2, 5, 6, null)), "kv-jsonl")).toBe("holds");
    expect(verdictOf(lines(put(1, 0, 5, "a"), get(2, 6, 7, null)), "kv-jsonl")).toBe("violated");
  });

  test("a lying revision on right data is violated, and the detail says so", () => {
    const text = lines(put(1, 0, 1, "a", 2), get(2, 2, 3, "a", 1, 2));
    const { verdict } = judge("h", text, "kv-jsonl", steps);
    expect(verdict.verdict).toBe("violated");
    expect(verdict.detail).toContain("the data alone would be linearizable");
    expect(verdict.method).toBe("witness");
  });

  test("an unknown operation may have taken effect, a failed one may not", () => {
    const open = (status: string): string =>
      JSON.stringify({ id: 1, client: 1, op: "put", key: "k", value: "a", call: 0, status });
    expect(verdictOf(lines(open("unknown"), get(2, 2, 3, "a", 2, 2)), "kv-jsonl")).toBe("holds");
    expect(verdictOf(lines(open("unknown"), get(2, 2, 3, null, 1, 0)), "kv-jsonl")).toBe("holds");
    expect(verdictOf(lines(open("fail"), get(2, 2, 3, "a", 2, 2)), "kv-jsonl")).toBe("violated");
  });

  test("cas and delete follow the current value", () => {
    const cas = (id: number, at: number, expect: string | null, value: string, out: boolean): string =>
      JSON.stringify({ id, client: id, op: "cas", key: "k", expect, value, call: at, ret: at + 1, status: "ok", out });
    const del = (id: number, at: number, out: number): string =>
      JSON.stringify({ id, client: id, op: "delete", key: "k", call: at, ret: at + 1, status: "ok", out });
    const good = lines(cas(1, 0, null, "a", true), cas(2, 2, "b", "c", false), cas(3, 4, "a", "b", true), del(4, 6, 1));
    expect(verdictOf(good, "kv-jsonl")).toBe("holds");
    expect(verdictOf(lines(cas(1, 0, null, "a", true), cas(2, 2, null, "b", true)), "kv-jsonl")).toBe("violated");
    expect(verdictOf(lines(del(1, 0, 1)), "kv-jsonl")).toBe("violated");
  });

  test("the change log settles an unknown outcome, and is itself verified", () => {
    const open = JSON.stringify({ id: 1, client: 1, op: "put", key: "k", value: "a", call: 0, status: "unknown" });
    const event = (rev: number, value: string): string => JSON.stringify({ type: "event", rev, key: "k", value });
    expect(verdictOf(lines(open, put(2, 1, 2, "b", 3), event(2, "a"), event(3, "b")), "kv-jsonl")).toBe("holds");
    expect(verdictOf(lines(open, put(2, 1, 2, "b", 3), event(2, "x"), event(3, "b")), "kv-jsonl")).toBe("violated");
  });
});

describe("faultline", () => {
  test("a history written as lines is judged as the history itself", () => {
    const events = generate(5, {
      operations: 40,
      clients: 4,
      keys: 3,
      unknownPercent: 10,
      leases: true,
      txns: true,
      past: true,
      watch: true,
      watchLossPercent: 0,
      uniqueValues: true,
      blind: false,
      fault: "none",
    });
    const text = events.map((event) => JSON.stringify(event)).join("\n");
    expect(guessFormat(text)).toBe("faultline");
    const parsed = parseHistory(text, "faultline");
    expect(parsed).toEqual({ type: "events", events });
  });

  test.each(["mixed-everything", "users-and-roles"])("what a run of %s records can be read again", (name) => {
    const scenario = scenarioNamed(name);
    if (scenario === undefined) throw new Error("no scenario");
    const { history } = runPlan(planOf(scenario, 3));
    const text = history.map((event) => JSON.stringify(event)).join("\n");
    expect(parseHistory(text, "faultline")).toMatchObject({ type: "events" });
    const operations = new Set(history.flatMap((event) => (event.type === "call" ? [event.operation.op] : [])));
    expect(operations.size).toBeGreaterThan(7);
  });
});

describe("damaged files name the line and what was expected", () => {
  const meta = '{"type":"meta","format":1,"startRevision":1}';
  const cases: readonly (readonly [FormatName, string, number, string])[] = [
    ["faultline", `${meta}\n{"type":"call"`, 2, "a JSON object"],
    ["faultline", `${meta}\n{"type":"nonsense"}`, 2, '"type" to be one of'],
    ["faultline", `${meta}\n\n{"type":"call","atMs":1,"id":"x"}`, 3, '"id" of a call event to be a number'],
    [
      "faultline",
      `${meta}\n{"type":"call","atMs":1,"id":1,"client":1,"member":"a","operation":{"op":"get"}}`,
      2,
      '"op" of an operation',
    ],
    ["faultline", "", 1, "the file is empty"],
    ["porcupine-etcd", "1\t:invoke\t:read\tnil\n1\t:ok\t:write\t3", 2, "an open :write of process 1"],
    ["porcupine-etcd", "1\t:invoke\t:cas\t3", 1, '"[from to]"'],
    ["porcupine-kv", '{:process 0, :type :ok, :f :get, :key "1", :value "x"}', 1, "an open :get"],
    ["porcupine-kv", "hello", 1, "{:process N"],
    ["kv-jsonl", '{"id":1}', 1, "the header"],
    ["kv-jsonl", '{"type":"meta","format":2}', 1, '"format" to be 1'],
    [
      "kv-jsonl",
      `{"type":"meta","format":1}\n{"id":1,"client":1,"op":"get","key":"k","call":0,"status":"ok"}`,
      2,
      '"ret"',
    ],
    [
      "kv-jsonl",
      `{"type":"meta","format":1}\n{"id":1,"client":1,"op":"inc","key":"k","call":0,"status":"unknown"}`,
      2,
      '"op"',
    ],
  ];
  for (const [format, text, line, what] of cases) {
    test(`${format}: ${what} at line ${line}`, () => {
      expect(() => parseHistory(text, format)).toThrow(FormatError);
      expect(() => parseHistory(text, format)).toThrow(`line ${line}: expected`);
      expect(() => parseHistory(text, format)).toThrow(what);
    });
  }

  test("a file of no known format has no guess", () => {
    expect(guessFormat("root:x:0:0")).toBeUndefined();
    expect(guessFormat("")).toBeUndefined();
  });
});
