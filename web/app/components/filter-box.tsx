import { useEffect, useRef, useState } from "react";
import { Icon } from "./icon.tsx";

/** Time after the last key press before the server is asked, ms. */
const PAUSE_MS = 250;

export function FilterBox({ label, onFilter }: { label: string; onFilter(text: string): void }) {
  const [text, setText] = useState("");
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  return (
    <label className="filter">
      <Icon name="search" size={18} />
      <span className="visually-hidden">{label}</span>
      <input
        type="search"
        placeholder={label}
        value={text}
        spellCheck={false}
        autoCapitalize="off"
        onChange={(event) => {
          const value = event.target.value;
          setText(value);
          clearTimeout(timer.current);
          timer.current = setTimeout(() => onFilter(value), PAUSE_MS);
        }}
      />
    </label>
  );
}
