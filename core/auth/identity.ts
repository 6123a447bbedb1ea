/*
 * Who calls. A world hands in what the client showed (a credential); the member makes of it who that is (an identity),
 * which travels with the request through the log, so that every member judges the same caller.
 * Source: etcd v3 API, Auth, identity of a call.
 */

/** What came with a call; nothing at all is an anonymous one. */
export type Credential =
  /** A simple token, as this cluster gave it out. */
  | { readonly type: "token"; readonly token: string }
  /** The world itself checked a signed token, and this is what it says. */
  | { readonly type: "signed"; readonly user: string; readonly authRevision: number }
  /** The world itself checked a client certificate with that common name. */
  | { readonly type: "certificate"; readonly user: string }
  /** The world was shown something and found it false. */
  | { readonly type: "invalid" }
  /** The member's own process asks, for its health page. */
  | { readonly type: "member" };

export type Identity =
  | { readonly type: "anonymous" }
  /** A member for itself: may do everything. */
  | { readonly type: "member" }
  /** `authRevision`: the state of users and roles this identity was made at. */
  | { readonly type: "user"; readonly name: string; readonly authRevision: number };

export const anonymous: Identity = { type: "anonymous" };
export const memberItself: Identity = { type: "member" };
