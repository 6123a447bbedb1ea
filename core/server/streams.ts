/*
 * Open client streams: which kind each is, and which of them want to be ended when this member stays without a leader.
 */
import type { Credential } from "../auth/identity.ts";
import type { MemberConfig } from "../config.ts";
import type { StreamId } from "../ids.ts";
import type { StreamKind } from "../input.ts";

interface OpenStream {
  readonly kind: StreamKind;
  readonly requireLeader: boolean;
  readonly credential?: Credential;
}

/** Every election timeout the member looks for a leader; after so many looks in vain it ends those streams. */
const leaderlessLooksMax = 3;

export class Streams {
  readonly #config: MemberConfig;
  readonly #open = new Map<StreamId, OpenStream>();
  #ticks = 0;
  #leaderlessLooks = 0;

  constructor(config: MemberConfig) {
    this.#config = config;
  }

  /** False: as many are open as may be. */
  open(streamId: StreamId, stream: OpenStream): boolean {
    if (this.#open.size >= this.#config.streamsMax) return false;
    this.#open.set(streamId, stream);
    return true;
  }

  close(streamId: StreamId): StreamKind | undefined {
    const stream = this.#open.get(streamId);
    this.#open.delete(streamId);
    return stream?.kind;
  }

  kindOf(streamId: StreamId): StreamKind | undefined {
    return this.#open.get(streamId)?.kind;
  }

  credentialOf(streamId: StreamId): Credential | undefined {
    return this.#open.get(streamId)?.credential;
  }

  /** Streams to be ended now because no leader was seen for three looks in a row; the caller closes them. */
  tick(hasLeader: boolean): readonly StreamId[] {
    this.#ticks += 1;
    if (this.#ticks % this.#config.electionTicks !== 0) return none;
    this.#leaderlessLooks = hasLeader ? 0 : this.#leaderlessLooks + 1;
    if (this.#leaderlessLooks < leaderlessLooksMax) return none;
    const ended: StreamId[] = [];
    for (const [streamId, stream] of this.#open) {
      if (stream.requireLeader) ended.push(streamId);
    }
    return ended;
  }
}

const none: readonly StreamId[] = [];
