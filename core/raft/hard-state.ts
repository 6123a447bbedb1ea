/*
 * Small helpers around what a member must have on its disk before its promises leave: the state of a new member, and the
 * registrations, which say from which life on a member's word counts (see amnesia.ts).
 */
import { type MemberId, noIndex, noTerm } from "../ids.ts";
import type { HardState, Registration } from "./message.ts";

/** Shared by all who know of none, so that messages carry no list of their own. */
export const noRegistrations: readonly Registration[] = Object.freeze([]);

/** Of a member that never promised anything. */
export const blankHardState: HardState = Object.freeze({
  term: noTerm,
  votedFor: undefined,
  commitIndex: noIndex,
  registrations: noRegistrations,
  isRecovering: false,
});

/** First life of that member whose word counts; 0 when all do. */
export function registeredLife(registrations: readonly Registration[], id: MemberId): number {
  for (let position = 0; position < registrations.length; position++) {
    const registration = registrations[position] as Registration;
    if (registration.memberId === id) return registration.incarnation;
  }
  return 0;
}

/** The list with that registration in it, in id order; the same list when it says nothing new. */
export function withRegistration(registrations: readonly Registration[], added: Registration): readonly Registration[] {
  if (registeredLife(registrations, added.memberId) >= added.incarnation) return registrations;
  const others = registrations.filter((one) => one.memberId !== added.memberId);
  const place = others.findIndex((one) => one.memberId > added.memberId);
  others.splice(place < 0 ? others.length : place, 0, added);
  return others;
}
