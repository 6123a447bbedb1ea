/*
 * What this machine lets a drill break, tried in a directory of its own that is gone afterwards.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type NetworkKind, probeCapabilities } from "./capabilities.ts";
import type { Machine } from "./cluster.ts";
import type { Target } from "./target.ts";

/** In namespaces of the drill's own it must be called inside of them. */
export async function probeMachine(
  target: Target,
  network: NetworkKind,
): Promise<Pick<Machine, "network" | "capabilities">> {
  const scratch = mkdtempSync(join(tmpdir(), "faultline-probe-"));
  try {
    return { network, capabilities: await probeCapabilities({ target, network, scratch }) };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
