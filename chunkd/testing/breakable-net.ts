import { type Listener, type Net, type Socket, type SocketHandlers, systemNet } from "../../std/net.ts";

/** The real network, whose connections break when told to; unless it is off, others can be made at once. */
export class BreakableNet implements Net {
  private readonly sockets = new Set<Socket>();
  private isOff = false;

  async connect(address: string, handlers: SocketHandlers): Promise<Socket> {
    const { watched, onSocket } = this.watch(handlers);
    const socket = await systemNet.connect(address, watched);
    onSocket(socket);
    return socket;
  }

  listen(address: string, accept: (socket: Socket) => SocketHandlers): Promise<Listener> {
    return systemNet.listen(address, (socket) => {
      const { watched, onSocket } = this.watch(accept(socket));
      onSocket(socket);
      return watched;
    });
  }

  private watch(handlers: SocketHandlers) {
    let ended = false;
    let socket: Socket | undefined;
    const onClose = (error?: Error): void => {
      ended = true;
      if (socket) this.sockets.delete(socket);
      handlers.onClose(error);
    };
    const onSocket = (its: Socket): void => {
      socket = its;
      if (this.isOff) its.destroy();
      else if (!ended) this.sockets.add(its);
    };
    const watched = {
      onData: (bytes: Uint8Array) => handlers.onData(bytes),
      onDrain: () => handlers.onDrain(),
      onClose,
    };
    return { watched, onSocket };
  }

  /** Drops every connection, whichever side made it. */
  breakAll(): void {
    for (const socket of [...this.sockets]) socket.destroy();
  }

  /** From now on nothing comes in or goes out. */
  powerOff(): void {
    this.isOff = true;
    this.breakAll();
  }
}
