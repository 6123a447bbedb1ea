/*
 * What a verb of the command line prints, caught in this process.
 */
import { vi } from "vitest";

export interface Printed {
  stdout: string;
  stderr: string;
}

/** Catches both streams until `vi.restoreAllMocks()`. */
export function catchOutput(): Printed {
  const printed: Printed = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const) {
    vi.spyOn(process[stream], "write").mockImplementation((text) => {
      printed[stream] += String(text);
      return true;
    });
  }
  return printed;
}

/** Runs a verb to its exit code, with both streams caught meanwhile. */
export async function printedBy(verb: () => Promise<number>): Promise<Readonly<Printed & { code: number }>> {
  const printed = catchOutput();
  try {
    const code = await verb();
    return { code, ...printed };
  } finally {
    vi.restoreAllMocks();
  }
}
