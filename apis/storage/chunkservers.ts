// The operator's calls about chunkservers, over HTTP: only for a door that only the operator can open.
import { Hono } from "hono";
import { ProtocolError, RemoteError } from "../../chunkd/protocol/errors.ts";
import type { ScrubAction } from "../../chunkd/protocol/messages.ts";
import type { MasterClient } from "../../masterd/client/client.ts";
import type { MasterErrorCode } from "../../masterd/protocol/messages.ts";

export type ChunkserverMaster = Pick<
  MasterClient,
  | "listChunkservers"
  | "drainChunkserver"
  | "undrainChunkserver"
  | "removeChunkserver"
  | "scrubChunkserver"
  | "discardOrphans"
>;

const STATUS: Partial<Record<string, 400 | 404 | 409>> & Partial<Record<MasterErrorCode, 400 | 404 | 409>> = {
  NO_SUCH_SERVER: 404,
  SERVER_STATE: 409,
  BAD_REQUEST: 400,
};

/** Answers are the master's; errors `{"error": {"code", "message"}}`. */
export function createChunkserverApp(master: ChunkserverMaster) {
  return new Hono()
    .get("/chunkservers", async (context) => context.json(await master.listChunkservers(null)))
    .post("/chunkservers/:id/drain", async (context) =>
      context.json(await master.drainChunkserver({ id: context.req.param("id") })),
    )
    .post("/chunkservers/:id/undrain", async (context) =>
      context.json(await master.undrainChunkserver({ id: context.req.param("id") })),
    )
    .get("/chunkservers/:id/scrub", async (context) =>
      context.json(await master.scrubChunkserver({ id: context.req.param("id"), action: "status" })),
    )
    .post("/chunkservers/:id/scrub/:action{now|pause|resume}", async (context) => {
      const { id, action } = context.req.param();
      return context.json(await master.scrubChunkserver({ id: id!, action: action as ScrubAction }));
    })
    .delete("/chunkservers/:id", async (context) => {
      const force = context.req.query("force") === "true";
      return context.json(await master.removeChunkserver({ id: context.req.param("id"), force }));
    })
    .delete("/orphans", async (context) => context.json(await master.discardOrphans(null)))
    .notFound((context) =>
      context.json({ error: { code: "not_found", message: "There is no such resource" } }, 404),
    )
    .onError((error, context) => {
      const isOurs = error instanceof RemoteError || error instanceof ProtocolError;
      if (!isOurs) throw error;
      return context.json({ error: { code: error.code, message: error.message } }, STATUS[error.code] ?? 503);
    });
}
