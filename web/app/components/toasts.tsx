import { createContext, type ReactNode, useCallback, useContext, useMemo, useRef, useState } from "react";
import { IconButton } from "./button.tsx";
import { Icon } from "./icon.tsx";

type ToastKind = "done" | "problem";
interface Toast {
  id: number;
  kind: ToastKind;
  text: string;
}

/** Older ones make room. */
const TOASTS_MAX = 3;
/** Problems stay until they are closed: their text may be needed. */
const DONE_MS = 5000;

interface Toasts {
  toast(text: string, kind?: ToastKind): void;
  /** Closes all. */
  clear(): void;
}
const ToastContext = createContext<Toasts>({ toast: () => {}, clear: () => {} });

export function useToasts(): Toasts {
  return useContext(ToastContext);
}

/** Short messages at the edge of the page. The regions exist before any message, or screen readers stay silent. */
export function ToastProvider({ children }: { children: ReactNode }) {
  const [toasts, setToasts] = useState<readonly Toast[]>([]);
  const nextId = useRef(1);
  const close = useCallback((id: number) => setToasts((all) => all.filter((toast) => toast.id !== id)), []);
  const toast = useCallback(
    (text: string, kind: ToastKind = "done") => {
      const id = nextId.current++;
      setToasts((all) => [...all, { id, kind, text }].slice(-TOASTS_MAX));
      if (kind === "done") setTimeout(close, DONE_MS, id);
    },
    [close],
  );
  const clear = useCallback(() => setToasts([]), []);
  const value = useMemo(() => ({ toast, clear }), [toast, clear]);
  const region = (kind: ToastKind) =>
    toasts
      .filter((one) => one.kind === kind)
      .map((one) => (
        <div key={one.id} className={`toast toast-${kind}`}>
          <Icon name={kind === "done" ? "check" : "alert"} size={18} />
          <span className="toast-text">{one.text}</span>
          <IconButton icon="close" label="Dismiss" onClick={() => close(one.id)} />
        </div>
      ));
  return (
    <ToastContext value={value}>
      {children}
      <div className="toasts">
        <div aria-live="assertive">{region("problem")}</div>
        <div aria-live="polite">{region("done")}</div>
      </div>
    </ToastContext>
  );
}
