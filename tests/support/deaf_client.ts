/**
 * A client that shuts its reading side down, `shutdown(SHUT_RD)`, which no Deno
 * API does: so it calls libc, and is run as a program of its own with
 * `--allow-ffi`. Sends two lines, the second one deaf, then FIN, and stays
 * until its standard input ends.
 *
 * @module
 */

const AF_INET = 2;
const SOCK_STREAM = 1;
const SHUT_RD = 0;
const SHUT_WR = 1;

const libc = Deno.dlopen("libc.so.6", {
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  send: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
  recv: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
  shutdown: { parameters: ["i32", "i32"], result: "i32" },
});
const { connect, recv, send, shutdown, socket } = libc.symbols;

const fd = socket(AF_INET, SOCK_STREAM, 0);
check(fd, "socket");
check(connect(fd, loopback(Number(Deno.args[0])), 16), "connect");
say("heard\n");
check(recv(fd, new Uint8Array(6), 6n, 0), "recv");
check(shutdown(fd, SHUT_RD), "shutdown(SHUT_RD)");
say("unheard\n");
check(shutdown(fd, SHUT_WR), "shutdown(SHUT_WR)");
await Deno.stdin.readable.pipeTo(new WritableStream());

/** A `sockaddr_in` of 127.0.0.1. */
function loopback(port: number): Uint8Array<ArrayBuffer> {
  const address = new Uint8Array(16);
  new Uint16Array(address.buffer, 0, 1)[0] = AF_INET;
  new DataView(address.buffer).setUint16(2, port);
  address.set([127, 0, 0, 1], 4);
  return address;
}

function say(text: string): void {
  const bytes = new TextEncoder().encode(text);
  check(send(fd, bytes, BigInt(bytes.length), 0), "send");
}

function check(result: number | bigint, call: string): void {
  if (result < 0) throw new Error(`${call} failed`);
}
