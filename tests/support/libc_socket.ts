/**
 * A TCP socket by way of libc, for what no Deno API does. Who uses it is run as
 * a program of its own with `--allow-ffi`; every call blocks.
 *
 * @module
 */

const AF_INET = 2;
const SOCK_STREAM = 1;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const MSG_OOB = 1;
const SHUT_RD = 0;
const SHUT_WR = 1;
/** Asks how many bytes have not been acknowledged. */
const SIOCOUTQ = 0x5411;

/** Milliseconds between two looks at what the kernel counts. */
const LOOK = 10;

const libc = Deno.dlopen("libc.so.6", {
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  setsockopt: {
    parameters: ["i32", "i32", "i32", "buffer", "u32"],
    result: "i32",
  },
  send: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
  recv: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
  shutdown: { parameters: ["i32", "i32"], result: "i32" },
  ioctl: { parameters: ["i32", "usize", "buffer"], result: "i32" },
}).symbols;

/** A client of 127.0.0.1. */
export class LibcSocket {
  readonly #fd: number;

  /** @param receiveBuffer Bytes of SO_RCVBUF, which the kernel doubles. */
  constructor(port: number, receiveBuffer?: number) {
    this.#fd = libc.socket(AF_INET, SOCK_STREAM, 0);
    check(this.#fd, "socket");
    if (receiveBuffer !== undefined) {
      const value = new Int32Array([receiveBuffer]);
      check(
        libc.setsockopt(this.#fd, SOL_SOCKET, SO_RCVBUF, value, 4),
        "setsockopt",
      );
    }
    check(libc.connect(this.#fd, loopback(port), 16), "connect");
  }

  /** Sends all of it. */
  send(what: string | Uint8Array<ArrayBuffer>): void {
    let rest = toBytes(what);
    while (rest.length > 0) rest = rest.subarray(this.#send(rest, 0));
  }

  /** Waits until the other side's kernel has all that was sent. */
  waitForAcknowledgement(): void {
    const left = new Int32Array(1);
    for (;;) {
      check(libc.ioctl(this.#fd, BigInt(SIOCOUTQ), left), "ioctl(SIOCOUTQ)");
      if (left[0] === 0) return;
      sleep(LOOK);
    }
  }

  /** Sends a character as urgent (out-of-band) data. */
  sendUrgent(character: string): void {
    this.#send(toBytes(character), MSG_OOB);
  }

  /** Receives what there is; null after FIN. */
  receive(most: number): Uint8Array | null {
    const buffer = new Uint8Array(most);
    const count = Number(libc.recv(this.#fd, buffer, BigInt(most), 0));
    check(count, "recv");
    return count === 0 ? null : buffer.subarray(0, count);
  }

  /** Shuts the reading side down. */
  closeRead(): void {
    check(libc.shutdown(this.#fd, SHUT_RD), "shutdown(SHUT_RD)");
  }

  /** Sends FIN. */
  closeWrite(): void {
    check(libc.shutdown(this.#fd, SHUT_WR), "shutdown(SHUT_WR)");
  }

  #send(bytes: Uint8Array<ArrayBuffer>, flags: number): number {
    const length = BigInt(bytes.length);
    const count = Number(libc.send(this.#fd, bytes, length, flags));
    check(count, "send");
    return count;
  }
}

/** Blocks for so many milliseconds. */
export function sleep(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

function toBytes(what: string | Uint8Array<ArrayBuffer>) {
  return typeof what === "string" ? new TextEncoder().encode(what) : what;
}

/** A `sockaddr_in` of 127.0.0.1. */
function loopback(port: number): Uint8Array<ArrayBuffer> {
  const address = new Uint8Array(16);
  new Uint16Array(address.buffer, 0, 1)[0] = AF_INET;
  new DataView(address.buffer).setUint16(2, port);
  address.set([127, 0, 0, 1], 4);
  return address;
}

function check(result: number, call: string): void {
  if (result < 0) throw new Error(`${call} failed`);
}
