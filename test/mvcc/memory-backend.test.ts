/*
 * The backend that tests of these rooms stand on keeps the contract of the simulated and the real one.
 */
import { backendSuite } from "../contract/backend.suite.ts";
import { MemoryBackend } from "../kit/memory-backend.ts";

backendSuite({
  name: "in memory, for tests",
  canLosePower: true,
  open: async () => {
    const backend = new MemoryBackend();
    return {
      backend,
      commit: async () => backend.commit(),
      sync: async () => backend.sync(),
      crash: async ({ powerLoss }) => backend.crash(powerLoss ? 0 : backend.commitsAtRisk),
      close: async () => undefined,
    };
  },
});
