import { type ReactNode, useEffect, useId, useRef } from "react";
import { IconButton } from "./button.tsx";

interface ModalProps {
  title: string;
  onClose(): void;
  /** What is in it would be lost: a click beside it does nothing. */
  held?: boolean;
  children: ReactNode;
  /** The buttons of the last row, and above them why it did not work: always in sight. */
  footer: ReactNode;
}

/** A modal `<dialog>`: the browser holds the focus in it, Escape and a click beside it close it. */
export function Modal({ title, onClose, held = false, children, footer }: ModalProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  useEffect(() => {
    const element = dialog.current!;
    const before = document.activeElement;
    element.showModal();
    return () => {
      element.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the keyboard's way to close is Escape, which arrives as cancel
    <dialog
      ref={dialog}
      className="modal"
      aria-labelledby={titleId}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      // The browser closes it by itself when Escape is pressed twice; after unmounting there is no current one.
      onClose={() => dialog.current && onClose()}
      onClick={(event) => event.target === dialog.current && !held && onClose()}
    >
      <div className="modal-body">
        <header className="modal-header">
          <h2 id={titleId}>{title}</h2>
          <IconButton icon="close" label="Close" onClick={onClose} />
        </header>
        {children}
        <footer className="modal-footer">{footer}</footer>
      </div>
    </dialog>
  );
}
