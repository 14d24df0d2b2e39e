/**
 * A client that sends an urgent (out-of-band) byte between two lines, and then
 * a third line; it prints what comes back.
 *
 * The runtime reads up to the mark of that byte and takes it for the end of what
 * the kernel holds: what is behind it is read when more arrives.
 *
 * @module
 */

import { LibcSocket } from "./libc_socket.ts";

const socket = new LibcSocket(Number(Deno.args[0]));
socket.send("a\n");
socket.sendUrgent("!");
socket.send("b\n");
Deno.stdout.writeSync(socket.receive(2)!);
socket.send("c\n");
socket.closeWrite();
for (let part; (part = socket.receive(1024)) !== null;) {
  Deno.stdout.writeSync(part);
}
