/*
 * Forwarded proposals a leader has taken: the network may deliver one twice, and appending it twice would apply it
 * twice. Each sender numbers its messages; a leader keeps, for its own term only, a sliding window of numbers per
 * sender. Copies that reach another term are dropped by the term rule. Source of the window: RFC 4303 §3.4.3.
 */
import type { MemberId } from "../ids.ts";

/** Messages of one sender that may overtake another before that one is taken for a copy and dropped. */
const windowSize = 4_096;

interface Sender {
  readonly id: MemberId;
  incarnation: number;
  /** Highest sequence seen. */
  highest: number;
  /** Of sequences in (highest − windowSize, highest], by remainder: 1 when seen. */
  readonly seen: Uint8Array;
}

export class ForwardedOnce {
  /** One per member that ever forwarded in this term. */
  private readonly senders: Sender[] = [];

  /** True when this message was not seen before. False for a copy, for an earlier life of the sender, for one too late. */
  take(message: { readonly from: MemberId; readonly incarnation: number; readonly sequence: number }): boolean {
    const sender = this.senderOf(message.from, message.incarnation);
    const { incarnation, sequence } = message;
    if (incarnation < sender.incarnation) return false;
    if (incarnation > sender.incarnation) {
      sender.incarnation = incarnation;
      sender.highest = 0;
      sender.seen.fill(0);
    }
    if (sequence <= sender.highest - windowSize) return false;
    if (sequence > sender.highest) {
      if (sequence - sender.highest >= windowSize) sender.seen.fill(0);
      else for (let next = sender.highest + 1; next < sequence; next++) sender.seen[next % windowSize] = 0;
      sender.highest = sequence;
    } else if (sender.seen[sequence % windowSize] === 1) {
      return false;
    }
    sender.seen[sequence % windowSize] = 1;
    return true;
  }

  private senderOf(id: MemberId, incarnation: number): Sender {
    for (const sender of this.senders) if (sender.id === id) return sender;
    const sender = { id, incarnation, highest: 0, seen: new Uint8Array(windowSize) };
    this.senders.push(sender);
    return sender;
  }
}
