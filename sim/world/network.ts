// The network between the simulated machines, and everything that may go wrong with it.
import {
  type Address,
  type Listener,
  type Net,
  parseAddress,
  type Socket,
  type SocketHandlers,
} from "../../std/net.ts";
import { Endpoint, type EndpointParts, netError } from "./endpoint.ts";
import { LINK_DEFAULTS, type LinkOptions, Links } from "./links.ts";
import { PIPE_DEFAULTS, type PipeOptions } from "./pipe.ts";
import type { SimProcess } from "./process.ts";
import type { Scheduler } from "./scheduler.ts";

export type NetworkOptions = Partial<LinkOptions & PipeOptions>;

interface Listening {
  process: SimProcess;
  address: Address;
  accept: (socket: Socket) => SocketHandlers;
  accepted: Set<Endpoint>;
}

const SYN_RETRY_MS = 1_000;
/** tcp_syn_retries: 1 + 2 + 4 + 8 + 16 + 32 + 64 s. */
const SYN_RETRIES_MAX = 7;
const PORT_MIN = 32_768;

export class SimNetwork {
  private readonly links: Links;
  private readonly parts: EndpointParts;
  private readonly listeners = new Map<string, Listening>();
  private readonly endpoints = new Set<Endpoint>();
  private readonly off = new Set<string>();
  private nextPort = PORT_MIN;

  constructor(
    private readonly scheduler: Scheduler,
    options: NetworkOptions = {},
  ) {
    this.links = new Links(scheduler, { ...LINK_DEFAULTS, ...options });
    this.parts = {
      scheduler,
      links: this.links,
      random: scheduler.random("network"),
      pipes: { ...PIPE_DEFAULTS, ...options },
      isOn: (node) => !this.off.has(node),
    };
  }

  // Faults.

  /** Nothing gets from `from` to `to`, and with `oneWay` false (the default) nothing back; streams stay open. */
  partition(from: string, to: string, { oneWay = false } = {}): void {
    this.scheduler.record("partition", from, to, oneWay);
    this.links.block(from, to);
    if (!oneWay) this.links.block(to, from);
  }

  /** Ends a partition, in both directions. */
  mend(a: string, b: string): void {
    this.scheduler.record("mend", a, b);
    this.links.unblock(a, b);
    this.links.unblock(b, a);
  }

  /** Holds packets from `from` to `to` back for `ms`. */
  clog(from: string, to: string, ms: number): void {
    this.scheduler.record("clog", from, to, ms);
    this.links.clog(from, to, ms);
  }

  /** Changes one direction of one link until {@link heal}. */
  link(from: string, to: string, options: Partial<LinkOptions>): void {
    this.links.set(from, to, options);
  }

  /** Resets the streams between two nodes, or all of one; what is under way in them is lost. Returns how many. */
  reset(a: string, b?: string): number {
    const touches = ({ node, peerNode }: Endpoint): boolean =>
      node === a ? b === undefined || peerNode === b : peerNode === a && (b === undefined || node === b);
    const hit = [...this.endpoints].filter(touches);
    for (const endpoint of hit) endpoint.reset();
    return hit.length;
  }

  /** Ends partitions, clogs and what {@link link} changed. Streams that broke stay broken. */
  heal(): void {
    this.scheduler.record("heal");
    this.links.heal();
  }

  // What nodes and processes do; see SimNode.

  /** The network as the program `process` sees it. */
  of(process: SimProcess): Net {
    return {
      connect: (address, handlers) => this.connect(process, address, handlers),
      listen: (address, accept) => this.listen(process, address, accept),
    };
  }

  /** The program is gone, its kernel is not. */
  release(process: SimProcess): void {
    for (const [key, listening] of this.listeners)
      if (listening.process === process) this.listeners.delete(key);
    for (const endpoint of [...this.endpoints]) if (endpoint.node === process.node) endpoint.leave();
  }

  /** The machine has no power: it answers nothing, and nobody is told. */
  powerOff(node: string): void {
    this.off.add(node);
    for (const [key, { process }] of this.listeners) if (process.node === node) this.listeners.delete(key);
    for (const endpoint of [...this.endpoints]) if (endpoint.node === node) endpoint.vanish();
  }

  powerOn(node: string): void {
    this.off.delete(node);
  }

  private async listen(
    process: SimProcess,
    wanted: Address,
    accept: (socket: Socket) => SocketHandlers,
  ): Promise<Listener> {
    const { hostname, port } = tcp(wanted);
    const address = `${hostname}:${port === 0 ? this.nextPort++ : port}`;
    if (!process.alive) return await new Promise(() => {});
    if (hostname !== process.node) throw netError("EADDRNOTAVAIL", address);
    if (this.listeners.has(address)) throw netError("EADDRINUSE", address);
    const listening: Listening = { process, address, accept, accepted: new Set() };
    this.listeners.set(address, listening);
    return {
      address,
      close: async () => {
        if (!process.alive) return await new Promise(() => {});
        if (this.listeners.get(address) === listening) this.listeners.delete(address);
        for (const endpoint of [...listening.accepted]) endpoint.destroy();
      },
    };
  }

  private connect(process: SimProcess, address: Address, handlers: SocketHandlers): Promise<Socket> {
    const { hostname, port } = tcp(address);
    return new Promise((resolve, reject) => {
      const attempt: Attempt = {
        process,
        to: hostname,
        key: `${hostname}:${port}`,
        connected: (endpoint) => {
          endpoint.attach(handlers);
          resolve(endpoint);
        },
        failed: (code) => reject(netError(code, `connect ${address}`)),
      };
      if (process.alive) this.sendSyn(attempt, 0);
    });
  }

  private sendSyn(attempt: Attempt, retries: number): void {
    const { process, to } = attempt;
    if (!process.alive) return;
    const retry = (): void => {
      if (retries >= SYN_RETRIES_MAX) process.enter(() => attempt.failed("ETIMEDOUT"));
      else this.scheduler.after(SYN_RETRY_MS * 2 ** retries, () => this.sendSyn(attempt, retries + 1));
    };
    if (this.links.isBlocked(process.node, to)) {
      retry();
      return;
    }
    this.scheduler.at(this.links.arrival(process.node, to, 0), () => {
      if (this.off.has(to) || this.links.isBlocked(to, process.node)) retry();
      else this.answerSyn(attempt);
    });
  }

  /** At the host that is called: it is on, and its answer gets back. */
  private answerSyn(attempt: Attempt): void {
    const { process, to, key } = attempt;
    const listening = this.listeners.get(key);
    const backAt = this.links.arrival(to, process.node, 0);
    if (!listening) {
      this.scheduler.at(backAt, () => process.enter(() => attempt.failed("ECONNREFUSED")));
      return;
    }
    const gone = (endpoint: Endpoint): void => {
      this.endpoints.delete(endpoint);
      listening.accepted.delete(endpoint);
    };
    const near = new Endpoint(this.parts, process, key, gone);
    const far = new Endpoint(this.parts, listening.process, `${process.node}:${this.nextPort++}`, gone);
    Endpoint.join(near, far);
    this.endpoints.add(far);
    listening.accepted.add(far);
    this.scheduler.at(backAt, () => {
      if (!process.alive) {
        if (this.off.has(process.node)) near.vanish();
        else near.leave();
        return;
      }
      this.endpoints.add(near);
      this.scheduler.record("connect", process.node, to);
      process.enter(() => attempt.connected(near));
      this.scheduler.at(this.links.arrival(process.node, to, 0), () => this.accept(listening, far));
    });
  }

  /** The third packet of the handshake: the program behind the listener gets its socket. */
  private accept(listening: Listening, far: Endpoint): void {
    if (!far.isOpen()) return;
    if (this.listeners.get(listening.address) !== listening) {
      far.leave();
      return;
    }
    listening.process.enter(() => {
      if (far.isOpen()) far.attach(listening.accept(far));
    });
  }
}

interface Attempt {
  process: SimProcess;
  to: string;
  key: string;
  connected(endpoint: Endpoint): void;
  failed(code: string): void;
}

function tcp(address: Address): { hostname: string; port: number } {
  const target = parseAddress(address);
  if ("unix" in target) throw new TypeError(`the simulated network has no ${address}`);
  return target;
}
