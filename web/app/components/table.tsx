import type { ReactNode } from "react";
import { Icon, type IconName } from "./icon.tsx";

export interface Column {
  title: string;
  className?: string;
}

interface TableProps {
  className: string;
  columns: readonly Column[];
  /** A cell before the first column. */
  lead?: ReactNode;
  /** Whether the last column, without a visible title, holds the buttons of each row. */
  withActions?: boolean;
  /** Rows. */
  children: ReactNode;
}

export function Table({ className, columns, lead, withActions = true, children }: TableProps) {
  return (
    <table className={`table ${className}`}>
      <thead>
        <tr>
          {lead}
          {columns.map(({ title, className }) => (
            <th scope="col" key={title} className={className}>
              {title}
            </th>
          ))}
          {withActions && (
            <th scope="col" className="cell-actions">
              <span className="visually-hidden">Actions</span>
            </th>
          )}
        </tr>
      </thead>
      <tbody>{children}</tbody>
    </table>
  );
}

interface NameCellProps {
  icon: IconName;
  folder?: boolean;
  /** The name, as `.row-name`, and what stands beside it. */
  children: ReactNode;
  /** Below the name, where the window is too narrow for the other columns. */
  meta?: ReactNode;
}

/** The first cell of a row, which names it. */
export function NameCell({ icon, folder = false, children, meta }: NameCellProps) {
  return (
    <th scope="row" className="cell-name">
      <span className={folder ? "row-icon row-icon-folder" : "row-icon row-icon-file"}>
        <Icon name={icon} />
      </span>
      {children}
      {meta && <span className="row-meta">{meta}</span>}
    </th>
  );
}
