/*
 * The file format of bbolt, etcd's own backend, as far as both writing and reading need it: pages, elements, metas.
 * Numbers are little-endian. Source: etcd v3 contract, appendix on the bbolt file format.
 *
 *     page    id u64 · flags u16 · count u16 · overflow u32, then `count` elements, then the bytes they point to
 *     leaf    flags u32 (1: bucket) · offset of the key from this element u32 · key length u32 · value length u32
 *     branch  offset of the key from this element u32 · key length u32 · page id u64
 *     bucket  a leaf's value: root page id u64 · sequence u64; root 0: the bucket's one leaf follows right here
 */

export const standardPageSize = 4096;
export const pageHeaderBytes = 16;
export const elementBytes = 16;
export const bucketHeaderBytes = 16;
export const bucketElementFlag = 1;

export const pageFlags = { branch: 0x01, leaf: 0x02, meta: 0x04, freelist: 0x10 } as const;

const magic = 0xed0cdaed;
const version = 2;
/** Checked bytes of a meta, and the place of their sum. */
const metaBytes = 56;

export interface Meta {
  readonly pageSize: number;
  readonly rootPage: number;
  readonly freelistPage: number;
  /** First page beyond those in use. */
  readonly highWater: number;
  readonly transaction: number;
}

/** The meta behind a page's header. */
export function encodeMeta(meta: Meta): Uint8Array {
  const bytes = new Uint8Array(metaBytes + 8);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, magic, true);
  view.setUint32(4, version, true);
  view.setUint32(8, meta.pageSize, true);
  putCount(view, 16, meta.rootPage);
  putCount(view, 32, meta.freelistPage);
  putCount(view, 40, meta.highWater);
  putCount(view, 48, meta.transaction);
  view.setBigUint64(metaBytes, fnv1a(bytes.subarray(0, metaBytes)), true);
  return bytes;
}

/** undefined: no valid meta. */
export function decodeMeta(bytes: Uint8Array): Meta | undefined {
  if (bytes.length < metaBytes + 8) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.getUint32(0, true) !== magic || view.getUint32(4, true) !== version) return undefined;
  if (view.getBigUint64(metaBytes, true) !== fnv1a(bytes.subarray(0, metaBytes))) return undefined;
  return {
    pageSize: view.getUint32(8, true),
    rootPage: countAt(view, 16),
    freelistPage: countAt(view, 32),
    highWater: countAt(view, 40),
    transaction: countAt(view, 48),
  };
}

export function putPageHeader(
  view: DataView,
  at: number,
  page: { readonly id: number; readonly flags: number; readonly count: number; readonly overflow: number },
): void {
  putCount(view, at, page.id);
  view.setUint16(at + 8, page.flags, true);
  view.setUint16(at + 10, page.count, true);
  view.setUint32(at + 12, page.overflow, true);
}

/** A u64 that is a count; beyond 2^53 it comes out rounded, and so larger than any file. */
export const countAt = (view: DataView, at: number): number => Number(view.getBigUint64(at, true));
export const putCount = (view: DataView, at: number, count: number): void => view.setBigUint64(at, BigInt(count), true);

function fnv1a(bytes: Uint8Array): bigint {
  let sum = 0xcbf29ce484222325n;
  for (const byte of bytes) sum = BigInt.asUintN(64, (sum ^ BigInt(byte)) * 0x100000001b3n);
  return sum;
}
