/*
 * What lies between two granted ranges is granted to nobody, also when the second has no end.
 */
import { expect } from "vitest";
import { Rights } from "../../../core/auth/rights.ts";

export function witness(): void {
  const rights = new Rights([
    { from: "a", to: "b" },
    { from: "c", to: undefined },
  ]);
  expect(["a", "b", "bz", "c", "\xff"].map((key) => rights.coversKey(key))).toEqual([true, false, false, true, true]);
  expect(rights.covers({ from: "a", to: undefined })).toBe(false);
}
