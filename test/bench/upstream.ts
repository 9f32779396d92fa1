/**
 * The provider, as a process of its own: prepared answers, written to raw sockets. A request with
 * `"stream":true` is answered event by event, every event in a write and a turn of its own.
 */
import { createServer, type Socket } from "node:net";
import { MessageReader } from "./message-reader.ts";
import { jsonResponse, streamResponse } from "./workloads.ts";

/** No streaming request of the bench is longer; in longer ones the flag is not looked for. */
const STREAM_REQUEST_BYTES = 16 * 1024;
const STREAM_FLAG = /"stream": ?true/;
const JSON_RESPONSE = jsonResponse();
const STREAM_RESPONSE = streamResponse();

function writeEvents(socket: Socket, from: number): void {
  const event = STREAM_RESPONSE[from];
  if (event === undefined || socket.destroyed) return;
  socket.write(event);
  setImmediate(writeEvents, socket, from + 1);
}

function serve(socket: Socket): void {
  const reader = new MessageReader();
  let pieces: Buffer[] = [];
  let bytes = 0;
  socket.setNoDelay(true);
  socket.on("error", () => socket.destroy());
  socket.on("data", (piece) => {
    bytes += piece.length;
    if (bytes <= STREAM_REQUEST_BYTES) pieces.push(piece);
    if (!reader.push(piece)) return;
    const isShort = bytes <= STREAM_REQUEST_BYTES;
    const isStream = isShort && STREAM_FLAG.test(Buffer.concat(pieces).toString("latin1"));
    pieces = [];
    bytes = 0;
    if (isStream) writeEvents(socket, 0);
    else socket.write(JSON_RESPONSE);
  });
}

const server = createServer(serve);
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  process.send?.({ port: typeof address === "object" ? address?.port : 0 });
});
process.once("disconnect", () => process.exit());
