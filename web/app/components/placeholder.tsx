import type { ReactNode } from "react";
import { Icon, type IconName } from "./icon.tsx";

/** Stands where content would, while there is none. */
export function Placeholder({
  icon,
  title,
  children,
}: {
  icon: IconName;
  title: string;
  children: ReactNode;
}) {
  return (
    <div className="placeholder">
      <span className="placeholder-icon">
        <Icon name={icon} size={28} />
      </span>
      <h2>{title}</h2>
      {children}
    </div>
  );
}
