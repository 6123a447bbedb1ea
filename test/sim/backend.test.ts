import fc from "fast-check";
import { expect, test } from "vitest";
import { bytesOfText, textOfBytes } from "../../core/bytes.ts";
import { SimBackend } from "../../sim/backend.ts";
import { SimRandom } from "../../sim/random.ts";
import { backendSuite } from "../contract/backend.suite.ts";

backendSuite({
  name: "simulated",
  canLosePower: true,
  open: async (seed) => {
    const backend = new SimBackend();
    const random = new SimRandom(seed);
    return {
      backend,
      commit: async () => {
        backend.commit();
      },
      sync: async () => {
        backend.synced(backend.commit());
      },
      crash: async ({ powerLoss }) => {
        if (powerLoss) backend.losePower(random);
        else backend.crash();
      },
      close: async () => undefined,
    };
  },
});

type Step =
  | { readonly do: "put"; readonly key: string; readonly value: string }
  | { readonly do: "delete"; readonly key: string }
  | { readonly do: "commit" | "crash" | "view" | "install" }
  | { readonly do: "sync"; readonly number: number }
  | { readonly do: "losePower"; readonly number: number };

const name = fc.constantFrom("a", "b", "c", "aa", "\xff", "d", "e");
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant("put" as const), key: name, value: fc.string({ maxLength: 2 }) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("delete" as const), key: name }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom("commit", "crash", "view", "install") }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom("sync", "losePower"), number: fc.integer({ min: 0, max: 5 }) }),
  },
) as fc.Arbitrary<Step>;

const sorted = (map: Map<string, string>): [string, string][] =>
  [...map].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));

function contents(reader: Pick<SimBackend, "scan">): [string, string][] {
  const found: [string, string][] = [];
  reader.scan("key", { from: new Uint8Array(0), to: undefined }, (key, value) => {
    found.push([textOfBytes(key), textOfBytes(value)]);
    return true;
  });
  return found;
}

test("after any steps it holds what a list of whole copies holds", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const backend = new SimBackend();
      let current = new Map<string, string>();
      // Content at the last durable commit, then at each commit after it.
      let commits: Map<string, string>[] = [new Map()];
      const views: { view: ReturnType<SimBackend["openView"]>; content: [string, string][] }[] = [];
      let dirty = false;
      const commit = (): void => {
        backend.commit();
        if (dirty) commits.push(new Map(current));
        dirty = false;
      };
      for (const [position, step] of steps.entries()) {
        switch (step.do) {
          case "put":
            backend.put("key", bytesOfText(step.key), bytesOfText(step.value));
            current.set(step.key, step.value);
            dirty = true;
            break;
          case "delete":
            backend.delete("key", bytesOfText(step.key));
            if (current.delete(step.key)) dirty = true;
            break;
          case "commit":
            commit();
            break;
          case "sync": {
            const number = Math.min(step.number, backend.unsyncedCommits);
            backend.synced(backend.lastCommit - backend.unsyncedCommits + number);
            commits = commits.slice(number);
            break;
          }
          case "crash":
            backend.crash();
            current = new Map(commits.at(-1));
            dirty = false;
            break;
          case "losePower": {
            const lost = backend.losePower(new SimRandom(step.number + position));
            commits.length -= lost;
            current = new Map(commits.at(-1));
            dirty = false;
            break;
          }
          case "view":
            views.push({ view: backend.openView(), content: sorted(current) });
            break;
          case "install": {
            const install = backend.beginInstall();
            install.put("key", bytesOfText("installed"), bytesOfText(`${position}`));
            install.finish();
            current = new Map([["installed", `${position}`]]);
            commits.push(new Map(current));
            dirty = false;
            break;
          }
        }
        expect(contents(backend)).toEqual(sorted(current));
        expect(backend.unsyncedCommits).toBe(commits.length - 1);
        for (const { view, content } of views) expect(contents(view)).toEqual(content);
      }
    }),
    { numRuns: 300 },
  );
});
