/*
 * Between two commits of a real backend, a scan shows each key once, as it was written last.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { openBackend } from "../../../chaos/member/backend.ts";
import { bytesOfText, textOfBytes } from "../../../core/index.ts";

export function witness(): void {
  const directory = mkdtempSync(join(tmpdir(), "faultline-buffer-"));
  const { backend } = openBackend(directory);
  try {
    const put = (key: string, value: string): void => backend.put("lease", bytesOfText(key), bytesOfText(value));
    for (const key of ["a", "b", "c"]) put(key, "old");
    backend.commit();
    put("b", "new");
    const seen: string[] = [];
    backend.scan("lease", { from: bytesOfText("a"), to: undefined }, (key, value) => {
      seen.push(`${textOfBytes(key)}=${textOfBytes(value)}`);
      return true;
    });
    expect(seen).toEqual(["a=old", "b=new", "c=old"]);
  } finally {
    backend.close();
    rmSync(directory, { recursive: true, force: true });
  }
}
