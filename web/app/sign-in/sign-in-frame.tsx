import type { FormEvent, ReactNode } from "react";
import { Brand } from "../components/brand.tsx";
import { ThemeToggle } from "../components/theme-toggle.tsx";

/** The card of a page that is shown to whoever is not signed in. */
export function SignInFrame({
  title,
  onSubmit,
  children,
}: {
  title: string;
  /** Without it there is nothing to send. */
  onSubmit?(event: FormEvent): void;
  children: ReactNode;
}) {
  return (
    <main className="sign-in">
      <div className="sign-in-corner">
        <ThemeToggle />
      </div>
      <form className="sign-in-card" onSubmit={onSubmit} noValidate>
        <Brand size={40} />
        <h1>{title}</h1>
        {children}
      </form>
    </main>
  );
}
