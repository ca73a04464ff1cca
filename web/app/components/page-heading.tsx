import { type ReactNode, useEffect, useRef } from "react";
import { visibleName } from "../format.ts";
import { useTitle } from "../hooks/use-title.ts";
import { Name } from "./name.tsx";

interface PageHeadingProps {
  title: string;
  /** The title is a name that anybody may have chosen. */
  untrusted?: boolean;
  /** One sentence below. */
  hint?: ReactNode;
  /** The page's buttons. */
  children?: ReactNode;
}

/** The page's h1. Takes the focus when it appears, so that screen readers say where a link led. */
export function PageHeading({ title, untrusted = false, hint, children }: PageHeadingProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  useTitle(untrusted ? visibleName(title) : title);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new title is a new place
  useEffect(() => {
    if (document.querySelector("dialog[open]") === null) heading.current?.focus({ preventScroll: true });
  }, [title]);
  return (
    <header className="page-heading">
      <div className="page-title">
        <h1 ref={heading} tabIndex={-1}>
          {untrusted ? <Name>{title}</Name> : title}
        </h1>
        {hint && <p className="muted">{hint}</p>}
      </div>
      {children && <div className="page-actions">{children}</div>}
    </header>
  );
}
