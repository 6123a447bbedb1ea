/*
 * A member that cannot reach another tries on at a bounded pace, for as long as it takes: ten minutes apart must not cost
 * minutes more once the way is free.
 */
import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { expect, vi } from "vitest";
import { silentLog } from "../../../chaos/member/log.ts";
import { PeerNetwork } from "../../../chaos/member/network.ts";
import { clusterIdOf, memberIdOf } from "../../../core/index.ts";

class NoSocket extends EventEmitter {
  destroy(): void {
    this.emit("close");
  }
}

export async function witness(): Promise<void> {
  vi.useFakeTimers();
  let dials = 0;
  const network = new PeerNetwork({
    memberId: memberIdOf(1n),
    clusterId: clusterIdOf(77n),
    peers: [{ memberId: memberIdOf(2n), addresses: ["nowhere"] }],
    encode: () => new Uint8Array(1),
    decode: () => ({ malformed: "nothing is sent back" }),
    onMessage: () => {},
    log: silentLog,
    connect: () => {
      dials += 1;
      const socket = new NoSocket();
      setTimeout(() => socket.emit("close"), 1);
      return { socket: socket as unknown as Socket, ready: "connect", explain: () => undefined };
    },
  });
  try {
    network.start();
    await vi.advanceTimersByTimeAsync(600_000);
    const before = dials;
    await vi.advanceTimersByTimeAsync(5_000);
    expect(dials).toBeGreaterThan(before);
  } finally {
    network.stop();
    vi.useRealTimers();
  }
}
