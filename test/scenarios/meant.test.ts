/*
 * Runs that are there to break a promise: what counts as seen, and when not seeing it is a failure.
 */
import { describe, expect, test } from "vitest";
import { neverSeen, withMeant } from "../../scenarios/check/meant.ts";
import type { CheckResult } from "../../scenarios/check/verdict.ts";

const check = (name: string, verdict: CheckResult["verdict"]): CheckResult => {
  return { name, verdict, detail: `${name} ${verdict}`, violations: [], judged: 1 };
};
const meant = { violated: "linearizable", withinSeeds: 3 };
const run = (verdict: CheckResult["verdict"]) => {
  return { scenario: "broken", checks: withMeant([check("linearizable", verdict), check("watch", "holds")], meant) };
};

describe("a run that is meant to break a promise", () => {
  test("is well when the named check fails, and every other check still counts", () => {
    const checks = withMeant([check("linearizable", "violated"), check("watch", "violated")], meant);
    expect(checks.map(({ verdict }) => verdict)).toEqual(["holds", "violated"]);
    expect(checks[0]?.detail).toContain("as this scenario is there to show: linearizable violated");
  });

  test("is unknown when the named check ran out of its budget", () => {
    expect(withMeant([check("linearizable", "unknown")], meant)[0]).toEqual(check("linearizable", "unknown"));
  });

  test("without such a promise nothing is turned round", () => {
    expect(withMeant([check("linearizable", "violated")], undefined)).toEqual([check("linearizable", "violated")]);
  });
});

describe("many runs", () => {
  test("fail when enough of them never showed the break", () => {
    expect(neverSeen([run("holds"), run("holds"), run("holds")])).toEqual([
      expect.stringContaining("broken is there to see linearizable violated, and none of 3 runs did"),
    ]);
  });

  test("do not fail when one of them did, or when they are too few to tell", () => {
    expect(neverSeen([run("holds"), run("holds"), run("violated")])).toEqual([]);
    expect(neverSeen([run("holds"), run("holds")])).toEqual([]);
  });
});
