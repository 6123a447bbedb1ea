import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { textOfBytes } from "../../core/bytes.ts";
import { leaseIdOf } from "../../core/ids.ts";
import type { KeyRange, Request, TxnOperation, TxnRequest } from "../../core/request.ts";
import { refusalOfRequest } from "../../core/server/validate.ts";
import { bytes } from "../kit/member-kit.ts";
import { txns } from "../kit/request-arbitraries.ts";
import { compareOf, deleteOf, putOf, rangeOf, txnOf } from "../kit/requests.ts";

const config = { txnOperationsMax: 128 };
const refusalOf = (request: Request, more: Partial<typeof config> = {}) =>
  refusalOfRequest(request, { ...config, ...more });
const inTxn = (...success: TxnOperation[]): TxnRequest => txnOf({ success });

describe("static checks", () => {
  test("an empty key is refused everywhere, with a range end too", () => {
    expect(refusalOf(rangeOf(""))).toBe("emptyKey");
    expect(refusalOf(rangeOf("", "\0"))).toBe("emptyKey");
    expect(refusalOf(putOf("", "v", { ignoreValue: true }))).toBe("emptyKey");
    expect(refusalOf(deleteOf("", "z"))).toBe("emptyKey");
    expect(refusalOf(txnOf({ compares: [compareOf("", "equal", { target: "version", number: 0 })] }))).toBe("emptyKey");
    expect(refusalOf(inTxn(deleteOf("")))).toBe("emptyKey");
  });

  test("a put that ignores what it also gives is refused, the value before the lease", () => {
    const both = { ignoreValue: true, ignoreLease: true, lease: leaseIdOf(1n) };
    expect(refusalOf(putOf("a", "v", both))).toBe("valueProvided");
    expect(refusalOf(putOf("a", "", both))).toBe("leaseProvided");
    expect(refusalOf(putOf("a", "", { ignoreValue: true, lease: leaseIdOf(1n) }))).toBeUndefined();
  });

  test("an unknown sort order or target is refused", () => {
    expect(refusalOf(rangeOf("a", "b", { sortOrder: "unknown" }))).toBe("invalidSortOption");
    expect(refusalOf(inTxn(rangeOf("a", "b", { sortTarget: "unknown" })))).toBe("invalidSortOption");
  });

  test("an operation with nothing set is refused as a missing key", () => {
    expect(refusalOf(inTxn({ type: "empty" }))).toBe("keyNotFound");
    expect(refusalOf(txnOf({ failure: [{ type: "empty" }] }))).toBe("keyNotFound");
  });

  test("too many operations count the longest list, and a nested transaction has what its parent leaves", () => {
    const version = compareOf("a", "equal", { target: "version", number: 0 });
    const compares = (count: number) => Array.from({ length: count }, () => version);
    expect(refusalOf(txnOf({ compares: compares(128) }))).toBeUndefined();
    expect(refusalOf(txnOf({ compares: compares(129) }))).toBe("tooManyOperations");
    expect(refusalOf(txnOf({ compares: compares(128), success: [inTxn(rangeOf("a"))] }))).toBe("tooManyOperations");
    expect(refusalOf(txnOf({ compares: compares(127), success: [inTxn(rangeOf("a"))] }))).toBeUndefined();
    expect(refusalOf(txnOf({ compares: compares(128), success: [inTxn()] }))).toBeUndefined();
  });

  test("checks come in etcd's order: count, compares, success, failure, and only then duplicates", () => {
    const duplicate = [putOf("a"), putOf("a")];
    const badCompare = compareOf("", "equal", { target: "version", number: 0 });
    const badRange = rangeOf("a", "b", { sortOrder: "unknown" });
    const most = { txnOperationsMax: 2 };
    expect(refusalOf(txnOf({ compares: [badCompare], success: [...duplicate, badRange] }), most)).toBe(
      "tooManyOperations",
    );
    expect(refusalOf(txnOf({ compares: [badCompare], success: [badRange] }))).toBe("emptyKey");
    expect(refusalOf(txnOf({ success: [badRange], failure: [putOf("")] }))).toBe("invalidSortOption");
    expect(refusalOf(txnOf({ success: duplicate, failure: [putOf("")] }))).toBe("emptyKey");
    expect(refusalOf(txnOf({ success: duplicate }))).toBe("duplicateKey");
    expect(refusalOf(txnOf({ failure: duplicate }))).toBe("duplicateKey");
  });
});

describe("the duplicate-key rule", () => {
  const legal = (...operations: TxnOperation[]) => expect(refusalOf(inTxn(...operations))).toBeUndefined();
  const refused = (...operations: TxnOperation[]) => expect(refusalOf(inTxn(...operations))).toBe("duplicateKey");

  test("put and put, put and overlapping delete in any order are refused; deletes may overlap; ranges never conflict", () => {
    refused(putOf("a"), putOf("a"));
    refused(putOf("b"), deleteOf("a", "c"));
    refused(deleteOf("a", "c"), putOf("b"));
    legal(deleteOf("a", "c"), deleteOf("b", "\0"), deleteOf("b"));
    legal(putOf("a"), rangeOf("a"), rangeOf("\0", "\0"));
    legal(putOf("c"), deleteOf("a", "c"));
  });

  test("a delete without an upper end conflicts with no put, before or after it, nested or not", () => {
    legal(deleteOf("a", "\0"), putOf("b"));
    legal(putOf("b"), deleteOf("\0", "\0"));
    legal(inTxn(deleteOf("a", "\0")), inTxn(putOf("b")));
    refused(deleteOf("a", "\0"), putOf("b"), putOf("b"));
  });

  test("nested put and then nested delete is legal, the reverse is not", () => {
    legal(inTxn(putOf("q")), inTxn(deleteOf("q")));
    refused(inTxn(deleteOf("q")), inTxn(putOf("q")));
  });

  test("a key may be put in both branches of one nested transaction, but not in two of them", () => {
    legal(txnOf({ success: [putOf("q")], failure: [putOf("q")] }));
    refused(txnOf({ success: [putOf("q")] }), txnOf({ failure: [putOf("q")] }));
    refused(txnOf({ success: [putOf("q")], failure: [putOf("q")] }), putOf("q"));
  });

  test("deletes of this level count for every nested transaction, whatever the order", () => {
    refused(inTxn(putOf("q")), deleteOf("q"));
    refused(txnOf({ failure: [putOf("q")] }), deleteOf("p", "r"));
  });

  test("deletes of either nested branch count for later puts, also across branches", () => {
    refused(txnOf({ failure: [deleteOf("q")] }), txnOf({ success: [putOf("q")] }));
    refused(txnOf({ failure: [deleteOf("q")] }), putOf("q"));
    legal(txnOf({ success: [putOf("q")], failure: [deleteOf("q")] }));
  });

  test("a key changed twice in one revision is put and then deleted, unless a delete has no upper end", () => {
    fc.assert(
      fc.property(txns(2), (request) => {
        const found = refusalOf(request);
        if (found !== undefined) return;
        for (const path of pathsOf(request)) {
          path.forEach((first, at) => {
            for (const later of path.slice(at + 1)) {
              if (first.type === "put" && later.type === "put") expect(first.key).not.toEqual(later.key);
              if (first.type === "deleteRange" && later.type === "put" && !isOpenEnded(first)) {
                expect(covers(first, later.key)).toBe(false);
              }
            }
          });
        }
      }),
      { numRuns: 300 },
    );
  });
});

/** Every list of simple operations that choosing branches can make of it, in execution order. */
function pathsOf(request: TxnRequest): Exclude<TxnOperation, TxnRequest>[][] {
  return [request.success, request.failure].flatMap((branch) =>
    branch.reduce<Exclude<TxnOperation, TxnRequest>[][]>(
      (paths, operation) => {
        const tails = operation.type === "txn" ? pathsOf(operation) : [[operation]];
        return paths.flatMap((path) => tails.map((tail) => [...path, ...tail]));
      },
      [[]],
    ),
  );
}

const isOpenEnded = ({ rangeEnd }: KeyRange): boolean =>
  rangeEnd !== undefined && textOfBytes(rangeEnd) === textOfBytes(bytes("\0"));

function covers(range: KeyRange, key: Uint8Array): boolean {
  if (range.rangeEnd === undefined) return textOfBytes(range.key) === textOfBytes(key);
  return textOfBytes(key) >= textOfBytes(range.key) && textOfBytes(key) < textOfBytes(range.rangeEnd);
}
