/*
 * A peer message through its bytes and back: what members of the real world do to every message, done here to some, so
 * that a field the wire forgets is found in the simulator.
 */
import { decodePeerMessage, encodePeerMessage, type PeerMessage } from "../core/index.ts";

export const recode = (message: PeerMessage): PeerMessage | { readonly malformed: string } =>
  decodePeerMessage(encodePeerMessage(message));
