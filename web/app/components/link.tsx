import type { AnchorHTMLAttributes, MouseEvent } from "react";
import { navigate } from "../navigation.ts";

/** A link inside the dashboard: a real address, followed without a page load. */
export function Link({ href, ...rest }: AnchorHTMLAttributes<HTMLAnchorElement> & { href: string }) {
  function follow(event: MouseEvent): void {
    // Anything but a plain click (new tab, download) stays the browser's business.
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    navigate(href);
  }
  return <a {...rest} href={href} onClick={follow} />;
}
