import { type ReactNode, useId } from "react";

interface SectionProps {
  title: string;
  /** One sentence below. */
  hint?: string;
  /** Its buttons. */
  actions?: ReactNode;
  children: ReactNode;
}

/** A part of a page with a heading of its own. */
export function Section({ title, hint, actions, children }: SectionProps) {
  const id = useId();
  return (
    <section className="section" aria-labelledby={id}>
      <header className="section-heading">
        <div>
          <h2 id={id}>{title}</h2>
          {hint && <p className="muted">{hint}</p>}
        </div>
        {actions && <div className="page-actions">{actions}</div>}
      </header>
      {children}
    </section>
  );
}
