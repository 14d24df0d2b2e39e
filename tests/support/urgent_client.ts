/**
 * A client that sends two lines with an urgent (out-of-band) byte between, says
 * so, and then prints all that comes back.
 *
 * @module
 */

import { LibcSocket } from "./libc_socket.ts";

const socket = new LibcSocket(Number(Deno.args[0]));
socket.send("in\n");
socket.receive(3);
console.error("ready");
await Deno.stdin.readable.getReader().read();
socket.send("a\n");
socket.sendUrgent("!");
socket.send("b\n");
console.error("sent");
for (let part; (part = socket.receive(1024)) !== null;) {
  Deno.stdout.writeSync(part);
}
