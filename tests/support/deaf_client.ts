/**
 * A client that shuts its reading side down, `shutdown(SHUT_RD)`. Sends two
 * lines, the second one deaf, then FIN, and stays until its standard input ends.
 *
 * @module
 */

import { LibcSocket } from "./libc_socket.ts";

const socket = new LibcSocket(Number(Deno.args[0]));
socket.send("heard\n");
socket.receive(6);
socket.closeRead();
socket.send("unheard\n");
socket.closeWrite();
await Deno.stdin.readable.pipeTo(new WritableStream());
