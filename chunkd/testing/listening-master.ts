import type { Connection } from "../protocol/connection.ts";
import type { RemoteError } from "../protocol/errors.ts";
import type { MasterPoint } from "../protocol/master-point.ts";
import {
  type ChunkReport,
  DATA_LIMITS,
  type HeartbeatRequest,
  MasterOp,
  type RegisterRequest,
  type ReportRequest,
} from "../protocol/messages.ts";
import { serve } from "../protocol/serve.ts";
import { ENVIRONMENT, SECRETS } from "./cluster.ts";

/** A master that only listens and remembers. */
export class ListeningMaster {
  address = "";
  readonly registrations: RegisterRequest[] = [];
  readonly reports: ReportRequest[] = [];
  readonly heartbeats: HeartbeatRequest[] = [];
  now = 5_000_000;
  /** How far it says it has come. */
  reached: MasterPoint = { restoredAt: 0, sequence: 1 };
  /** What it answers to a registration instead of taking it. */
  refusal: RemoteError | undefined;
  connection: Connection | undefined;
  private listener: Awaited<ReturnType<typeof serve>> | undefined;
  private waiting: (() => void)[] = [];

  async listen(address = "127.0.0.1:0"): Promise<void> {
    this.listener = await serve(ENVIRONMENT, address, SECRETS, {
      limits: DATA_LIMITS,
      handler: (opcode, meta, _body, from) => {
        this.connection = from;
        if (opcode === MasterOp.register) this.registrations.push(meta as RegisterRequest);
        if (opcode === MasterOp.report) this.reports.push(meta as ReportRequest);
        if (opcode === MasterOp.heartbeat) this.heartbeats.push(meta as HeartbeatRequest);
        for (const wake of this.waiting.splice(0)) wake();
        if (opcode === MasterOp.register && this.refusal) throw this.refusal;
        return { meta: { masterNow: this.now, heartbeatMs: 50, reached: { ...this.reached } } };
      },
    });
    this.address = this.listener.address;
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.waiting.push(resolve));
  }

  get reported(): ChunkReport[] {
    return this.reports.flatMap(({ chunks }) => chunks);
  }

  async close(): Promise<void> {
    await this.listener?.close();
  }
}
