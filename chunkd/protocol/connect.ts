import type { Clock } from "../../std/clock.ts";
import type { Address, Net, Socket, SocketHandlers } from "../../std/net.ts";
import { ProtocolError } from "./errors.ts";

/** A host that is off or cut away answers nothing: TCP itself would try for two minutes. */
const CONNECT_TIMEOUT_MS = 3_000;

/** Connects as {@link Net.connect} does, or rejects with `TIMEOUT`; a socket that comes too late is dropped. */
export function connectWithin(
  { clock, net }: { clock: Clock; net: Net },
  address: Address,
  handlers: SocketHandlers,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    let isLate = false;
    const timer = clock.after(CONNECT_TIMEOUT_MS, () => {
      isLate = true;
      reject(new ProtocolError("TIMEOUT", `no connection to ${address} within ${CONNECT_TIMEOUT_MS} ms`));
    });
    net.connect(address, handlers).then(
      (socket) => {
        timer.cancel();
        if (isLate) socket.destroy();
        else resolve(socket);
      },
      (error) => {
        timer.cancel();
        reject(error);
      },
    );
  });
}
