/**
 * A client with a small receive buffer that sends a number of bytes, whole
 * lines, and says so once all have arrived; then it reads at a steady pace,
 * sends one more byte in the middle of that, and prints how many bytes it got
 * before the server's FIN.
 *
 * @module
 */

import { LibcSocket, sleep } from "./libc_socket.ts";

const RECEIVE_BUFFER = 64 * 1024;

/** Milliseconds between two reads, and until the byte more. */
const TICK = 50;
const LATER = 2500;

const [port, bytes, bytesPerSecond] = Deno.args.map(Number);
const socket = new LibcSocket(port!, RECEIVE_BUFFER);
const line = `${"x".repeat(63)}\n`;
socket.send(line.repeat(bytes! / line.length));
socket.waitForAcknowledgement();
console.error("arrived");
const start = performance.now();
let received = 0;
let poked = false;
try {
  for (;;) {
    const part = socket.receive(bytesPerSecond! * TICK / 1000);
    if (part === null) break;
    received += part.length;
    if (!poked && performance.now() - start > LATER) {
      socket.send("y");
      poked = true;
    }
    sleep(TICK);
  }
  console.log(`${received} bytes, then FIN`);
} catch {
  console.log(`${received} bytes, then a reset`);
}
