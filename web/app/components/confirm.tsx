import { type ReactNode, useRef, useState } from "react";
import { Button } from "./button.tsx";
import { Modal } from "./modal.tsx";
import { ProblemNotice } from "./problem-notice.tsx";

interface ConfirmProps {
  title: string;
  children: ReactNode;
  /** What the button that does it says, e.g. "Delete bucket". */
  action: string;
  /** `primary`: it destroys nothing. */
  kind?: "destroy" | "primary";
  /**
   * Does it; the dialog stays open while it runs, shows its error, and closes when it succeeds. `signal` is aborted when
   * the person cancels meanwhile; what can stop half-way then rejects.
   */
  onConfirm(signal: AbortSignal): Promise<void>;
  onClose(): void;
}

/** Asks before something that cannot be undone. The harmless button has the focus. */
export function Confirm({ title, children, action, kind = "destroy", onConfirm, onClose }: ConfirmProps) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<unknown>();
  const running = useRef<AbortController>(undefined);

  async function run(): Promise<void> {
    setBusy(true);
    setProblem(undefined);
    running.current = new AbortController();
    try {
      await onConfirm(running.current.signal);
      onClose();
    } catch (error) {
      setProblem(error);
      setBusy(false);
    }
  }
  function cancel(): void {
    if (busy) running.current?.abort();
    else onClose();
  }

  return (
    <Modal
      title={title}
      onClose={cancel}
      footer={
        <>
          {problem !== undefined && <ProblemNotice error={problem} />}
          <Button onClick={cancel} autoFocus>
            Cancel
          </Button>
          <Button kind={kind} busy={busy} onClick={run}>
            {action}
          </Button>
        </>
      }
    >
      <div className="modal-text">{children}</div>
    </Modal>
  );
}
