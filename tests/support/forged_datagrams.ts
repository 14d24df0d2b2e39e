/**
 * Sends datagrams that claim to come from other ports of 127.0.0.1, which takes
 * a raw socket: so it calls libc, and is run as a program of its own with
 * `--allow-ffi`, as root.
 *
 *     forged_datagrams.ts TO FROM...
 *
 * @module
 */

const AF_INET = 2;
const SOCK_RAW = 3;
const IPPROTO_UDP = 17;
const HEADER = 8;

const libc = Deno.dlopen("libc.so.6", {
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  send: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
});
const { connect, send, socket } = libc.symbols;

const [to, ...from] = Deno.args.map(Number);
const fd = socket(AF_INET, SOCK_RAW, IPPROTO_UDP);
check(fd, "socket");
check(connect(fd, loopback(), 16), "connect");
for (const port of from) {
  const datagram = forged(port, to!, new TextEncoder().encode("forged"));
  check(send(fd, datagram, BigInt(datagram.length), 0), "send");
}

/** A `sockaddr_in` of 127.0.0.1. */
function loopback(): Uint8Array<ArrayBuffer> {
  const address = new Uint8Array(16);
  new Uint16Array(address.buffer, 0, 1)[0] = AF_INET;
  address.set([127, 0, 0, 1], 4);
  return address;
}

/** A datagram with its header, and without a checksum. */
function forged(
  from: number,
  to: number,
  payload: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const datagram = new Uint8Array(HEADER + payload.length);
  const header = new DataView(datagram.buffer);
  header.setUint16(0, from);
  header.setUint16(2, to);
  header.setUint16(4, datagram.length);
  datagram.set(payload, HEADER);
  return datagram;
}

function check(result: number | bigint, call: string): void {
  if (result < 0) throw new Error(`${call} failed`);
}
