/*
 * Users, roles and rights as clients changed them, with the time each change took: not one state but what may have been
 * true, and what surely was, between two moments. Slow and obvious: a union of ranges is walked along, never merged.
 *
 * A change whose answer never came may take effect at any later time, or never. Rights only grow with what is granted,
 * so an accepted call is held against everything that may have been granted, a refused one against what surely was.
 * Source: etcd v3 API, Auth, permission check.
 */
import type { AuthOperation, KvOperation } from "../history.ts";

/** Positions in the history: from before the change was asked for until it was answered, {@link open}: never. */
export interface Window {
  readonly from: number;
  readonly to: number;
}
export const open = Number.POSITIVE_INFINITY;

export type Bit = "read" | "write";

/** All keys from ≤ key < to; `to` undefined: without end. */
export interface Stretch {
  readonly from: string;
  readonly to: string | undefined;
}
export interface Need extends Stretch {
  readonly bit: Bit;
}

/** A single key is the stretch up to the next key there can be. */
export function stretchOf({ key, rangeEnd }: { readonly key: string; readonly rangeEnd?: string }): Stretch {
  if (rangeEnd === undefined || rangeEnd === "") return { from: key, to: `${key}\0` };
  return { from: key, to: rangeEnd === "\0" ? undefined : rangeEnd };
}

/** What the operation by itself asks for, both branches of a transaction included. */
export function needsOf(operation: KvOperation): readonly Need[] {
  switch (operation.op) {
    case "range":
      return [{ bit: "read", ...stretchOf(operation) }];
    case "put":
    case "deleteRange": {
      const stretch = stretchOf(operation);
      const write: Need = { bit: "write", ...stretch };
      return operation.prevKv === true ? [write, { bit: "read", ...stretch }] : [write];
    }
    case "txn":
      return [
        ...operation.compares.map((compare): Need => ({ bit: "read", ...stretchOf(compare) })),
        ...operation.success.flatMap(needsOf),
        ...operation.failure.flatMap(needsOf),
      ];
  }
}

/** Something that is on or off, and every time somebody may have switched it. */
class Toggle {
  readonly #ons: Window[] = [];
  readonly #offs: Window[] = [];

  switch(isOn: boolean, window: Window): void {
    (isOn ? this.#ons : this.#offs).push(window);
  }

  /** On at some moment of the window, for all anybody knows. */
  mayBeOn({ from, to }: Window): boolean {
    return this.#ons.some((on) => on.from <= to && !this.#offs.some((off) => off.from > on.to && off.to < from));
  }

  /** On all the time. */
  isSurelyOn({ from, to }: Window): boolean {
    return this.#ons.some((on) => on.to < from && !this.#offs.some((off) => off.from <= to && off.to > on.from));
  }
}

interface Grant {
  readonly role: string;
  readonly bit: Bit;
  readonly stretch: Stretch;
  readonly toggle: Toggle;
}

export class RightsModel {
  readonly #enabled = new Toggle();
  /** By user and role. */
  readonly #roles = new Map<string, { readonly user: string; readonly role: string; readonly toggle: Toggle }>();
  readonly #grants = new Map<string, Grant>();

  /** Changes come in the order in which they were asked for; one that was refused changes nothing and does not come. */
  change(operation: AuthOperation, window: Window): void {
    switch (operation.change) {
      case "enable":
        this.#enabled.switch(true, window);
        return;
      case "grantRole":
      case "revokeRole":
        this.#roleOf(operation.user, operation.role).switch(operation.change === "grantRole", window);
        return;
      case "grantRange":
        this.#grant(operation, "read").switch(operation.right !== "write", window);
        this.#grant(operation, "write").switch(operation.right !== "read", window);
        return;
      case "revokeRange":
        for (const bit of ["read", "write"] as const) this.#grant(operation, bit).switch(false, window);
        return;
      default:
        return;
    }
  }

  /** Nobody was asked for rights, at some moment of the window at least. */
  mayBeOff(window: Window): boolean {
    return !this.#enabled.isSurelyOn(window);
  }

  /** Somebody may have been asked for rights. */
  mayBeEnabled(window: Window): boolean {
    return this.#enabled.mayBeOn(window);
  }

  /** False: at no moment of the window the user had the right, whatever the open changes did. */
  mayHave(user: string, need: Need, window: Window): boolean {
    return this.#covers(user, need, (toggle) => toggle.mayBeOn(window));
  }

  /** True: the user had the right all the time. */
  surelyHas(user: string, need: Need, window: Window): boolean {
    return this.#covers(user, need, (toggle) => toggle.isSurelyOn(window));
  }

  #covers(user: string, need: Need, counts: (toggle: Toggle) => boolean): boolean {
    const roles = [...this.#roles.values()].filter((held) => held.user === user && counts(held.toggle));
    const names = new Set(roles.map(({ role }) => role));
    if (names.has("root")) return true;
    const granted = [...this.#grants.values()]
      .filter(({ role, bit, toggle }) => bit === need.bit && names.has(role) && counts(toggle))
      .map(({ stretch }) => stretch);
    return isCovered(need, granted);
  }

  #roleOf(user: string, role: string): Toggle {
    const name = JSON.stringify([user, role]);
    const known = this.#roles.get(name) ?? { user, role, toggle: new Toggle() };
    this.#roles.set(name, known);
    return known.toggle;
  }

  #grant(range: { readonly role: string; readonly key: string; readonly rangeEnd?: string }, bit: Bit): Toggle {
    const stretch = stretchOf(range);
    const name = JSON.stringify([range.role, bit, stretch.from, stretch.to]);
    const known = this.#grants.get(name) ?? { role: range.role, bit, stretch, toggle: new Toggle() };
    this.#grants.set(name, known);
    return known.toggle;
  }
}

/** From the first key on, always along the stretch that reaches farthest. */
export function isCovered(wanted: Stretch, granted: readonly Stretch[]): boolean {
  let at = wanted.from;
  for (;;) {
    let reached = at;
    for (const { from, to } of granted) {
      if (from > at) continue;
      if (to === undefined) return true;
      if (to > reached) reached = to;
    }
    if (wanted.to !== undefined && reached >= wanted.to) return true;
    if (reached === at) return false;
    at = reached;
  }
}
