/**
 * TLS without a socket: ciphertext in, plaintext out, and the other way round.
 *
 * The engine is what Node's `TLSSocket` has inside in Deno, driven as Deno
 * drives it over a stream that is no socket. Without the socket around it the
 * connection stays one of Deno, with one descriptor, read when it is asked for;
 * and no stream of Node stands between, which would cost a line more time than
 * the encryption does.
 *
 * This rests on what no document promises: the handle of a `TLSSocket`, the
 * names of its methods, and the array in which it leaves how many bytes it has
 * decrypted.
 *
 * @module
 */

import process from "node:process";
import { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";

/** What a server shows of itself. */
export interface Identity {
  /** The certificate chain, PEM. */
  cert: string;
  /** Its private key, PEM. */
  key: string;
  /** Protocols to agree on, the most wanted first. @default {[]} */
  alpn?: readonly string[];
}

/** The parts of Node's handle that are used here. */
interface Handle {
  onread: () => void;
  onhandshakedone: () => void;
  onerror: (error: Error) => void;
  initServerTls(context: object): number;
  setAlpnProtocols(names: readonly string[]): void;
  /** Lets the ciphertext be exchanged by `readBuffer` and `drainEncOut`. */
  attachJsStream(): number;
  /** Where plaintext is left before each call of `onread`. */
  useUserBuffer(buffer: Uint8Array): void;
  /** Whose `onread` and so on are called. */
  setHandle(handle: Handle): void;
  start(): number;
  readStart(): number;
  readBuffer(ciphertext: Uint8Array): void;
  drainEncOut(): Uint8Array;
  writeBuffer(request: object, plaintext: Uint8Array): number;
  shutdown(request: object): number;
  destroySsl(): void;
}

const METHODS = [
  "initServerTls",
  "setAlpnProtocols",
  "attachJsStream",
  "useUserBuffer",
  "setHandle",
  "start",
  "readStart",
  "readBuffer",
  "drainEncOut",
  "writeBuffer",
  "shutdown",
  "destroySsl",
] as const satisfies (keyof Handle)[];

interface HandleClass {
  new (kind: number, provider: number): Handle;
  readonly prototype: Handle;
}

/** The kind of handle that is a server. */
const SERVER = 1;

/** The most plaintext that a handle encrypts at once. */
const MOST_ENCRYPTED = 48 * 1024;

/**
 * Where the handles of this thread leave what they have decrypted: it is taken
 * away before they go on.
 */
const plaintext = new Uint8Array(64 * 1024);

/** What a write or a FIN of Node is identified by. */
const REQUEST = {};

const Native = handleClass();
const streamState = streamStates();

/** Whether this runtime has what an engine needs. */
export const CAN_SERVE_TLS: boolean = Native !== undefined &&
  streamState !== undefined;

/** The server's side of one TLS connection. */
export class TlsEngine {
  /** Whether the handshake has been made. */
  established = false;
  /** Whether the client has said close_notify. */
  ended = false;
  /** Why it cannot go on; `code` is OpenSSL's name for it (`ERR_SSL_…`). */
  error: Error | undefined;
  readonly #handle: Handle;

  /**
   * @param take Called from {@linkcode TlsEngine.receive} with what has been
   * decrypted, which it must copy.
   */
  constructor(
    { cert, key, alpn = [] }: Identity,
    take: (bytes: Uint8Array) => void,
  ) {
    const handle = this.#handle = new Native!(SERVER, 0);
    handle.initServerTls({ cert, key });
    if (alpn.length > 0) handle.setAlpnProtocols(alpn);
    handle.attachJsStream();
    handle.useUserBuffer(plaintext);
    handle.onread = () => {
      const count = streamState![0]!;
      if (count > 0) take(plaintext.subarray(0, count));
      else this.ended = true;
    };
    handle.onhandshakedone = () => this.established = true;
    handle.onerror = (error) => this.error = error;
    handle.setHandle(handle);
    handle.start();
    handle.readStart();
  }

  /** Takes what came from the client. */
  receive(ciphertext: Uint8Array): void {
    this.#handle.readBuffer(ciphertext);
  }

  /** Encrypts `bytes`, for {@linkcode TlsEngine.output}. */
  send(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += MOST_ENCRYPTED) {
      const part = bytes.subarray(at, at + MOST_ENCRYPTED);
      this.#handle.writeBuffer(REQUEST, part);
    }
  }

  /** Says close_notify, through {@linkcode TlsEngine.output}. */
  end(): void {
    this.#handle.shutdown(REQUEST);
  }

  /** What is to be sent to the client now; empty if nothing. */
  output(): Uint8Array {
    return this.#handle.drainEncOut();
  }

  /** Frees what it holds, which is never freed otherwise. */
  close(): void {
    this.#handle.destroySsl();
  }
}

/** The class of a `TLSSocket`'s handle, if it can be driven by hand. */
function handleClass(): HandleClass | undefined {
  const socket = new TLSSocket(new Duplex(), { isServer: true });
  const { _handle } = socket as unknown as { _handle?: Handle };
  const found = _handle?.constructor as HandleClass | undefined;
  socket.destroy();
  const drivable = found &&
    METHODS.every((name) => typeof found.prototype[name] === "function");
  return drivable ? found : undefined;
}

/** Where handles leave, in the first place, the answer to a read. */
function streamStates(): Int32Array | undefined {
  const { binding } = process as unknown as {
    binding(name: string): { streamBaseState?: Int32Array };
  };
  return binding("stream_wrap").streamBaseState;
}
