import type { Catalog } from "./catalog.ts";
import type { CommandOf } from "./commands.ts";

type ServerCommand = CommandOf<"addServer" | "setServerState" | "holdOrphans">;

/** None of these is ever refused: whether the operator may is decided before, with what only memory knows. */
export function applyServerCommand({ servers, database }: Catalog, command: ServerCommand): null {
  switch (command.type) {
    case "addServer":
      servers.add(command.server, command.at);
      return null;
    case "setServerState":
      servers.setState(command.server, command.state, command.at);
      return null;
    case "holdOrphans":
      database.meta.orphansHeldSince = command.hold ? command.at : 0;
      return null;
  }
}
