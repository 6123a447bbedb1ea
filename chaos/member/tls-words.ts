/*
 * What went wrong with TLS, in the words of Go's library, which operators know from etcd's log and search it for. The
 * runtime's own message is OpenSSL's: a pointer, a number, and a place in its source.
 * Source: Go's crypto/tls, alert.go, conn.go and handshake_server.go.
 */

/** @returns undefined when it is not about TLS; certificates this side refuses have words of their own */
export function tlsWords(error: Error): string | undefined {
  const { code, reason } = error as Error & { readonly code?: unknown; readonly reason?: unknown };
  if (typeof code !== "string" || !code.startsWith("ERR_SSL_")) return undefined;
  const own = failures[code];
  if (own !== undefined) return `tls: ${own}`;
  if (typeof reason !== "string") return `tls: ${code.slice("ERR_SSL_".length).toLowerCase().replaceAll("_", " ")}`;
  const [, alert] = /^(?:sslv3|tlsv1|tlsv13) alert (.+)$/.exec(reason) ?? [];
  return alert === undefined ? `tls: ${reason}` : `remote error: tls: ${alerts[alert] ?? alert}`;
}

const noHandshake = "first record does not look like a TLS handshake";
const failures: { readonly [code: string]: string } = {
  ERR_SSL_HTTP_REQUEST: noHandshake,
  ERR_SSL_HTTPS_PROXY_REQUEST: noHandshake,
  ERR_SSL_WRONG_VERSION_NUMBER: noHandshake,
  ERR_SSL_UNSUPPORTED_PROTOCOL: "client offered only unsupported versions",
  ERR_SSL_NO_SHARED_CIPHER: "no cipher suite supported by both client and server",
};

/** By OpenSSL's name of the alert that the other side sent; those not here have the same name in Go. */
const alerts: { readonly [alert: string]: string } = {
  "certificate expired": "expired certificate",
  "certificate revoked": "revoked certificate",
  "certificate unknown": "unknown certificate",
  "decode error": "error decoding message",
  "decrypt error": "error decrypting message",
  "protocol version": "protocol version not supported",
  "unknown ca": "unknown certificate authority",
};
