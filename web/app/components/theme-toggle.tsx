import { useEffect, useState } from "react";
import { chooseTheme, currentTheme, type Theme } from "../theme.ts";
import { IconButton } from "./button.tsx";

/** Changes between light and dark; follows the system as long as nothing was chosen. */
export function ThemeToggle() {
  const [theme, setTheme] = useState<Theme>(currentTheme);
  useEffect(() => {
    const system = matchMedia("(prefers-color-scheme: dark)");
    const follow = () => setTheme(currentTheme());
    system.addEventListener("change", follow);
    return () => system.removeEventListener("change", follow);
  }, []);
  const other: Theme = theme === "dark" ? "light" : "dark";
  return (
    <IconButton
      icon={other === "dark" ? "moon" : "sun"}
      label={`Use the ${other} theme`}
      onClick={() => {
        chooseTheme(other);
        setTheme(other);
      }}
    />
  );
}
