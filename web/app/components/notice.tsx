import type { ReactNode } from "react";
import { Icon } from "./icon.tsx";

/** Something went wrong, or must be known first; read out at once when it appears. */
export function Notice({ kind = "problem", children }: { kind?: "problem" | "info"; children: ReactNode }) {
  return (
    <div className={`notice notice-${kind}`} role={kind === "problem" ? "alert" : "status"}>
      <Icon name={kind === "problem" ? "alert" : "info"} size={18} />
      <div>{children}</div>
    </div>
  );
}
