import { visibleName } from "../format.ts";

/** An untrusted name: its control characters visible, its direction kept to itself, its length left to the layout. */
export function Name({ children }: { children: string }) {
  return <bdi className="name">{visibleName(children)}</bdi>;
}
