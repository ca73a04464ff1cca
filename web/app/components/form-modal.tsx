import { type FormEvent, type ReactNode, useId, useState } from "react";
import { useTask } from "../hooks/use-task.ts";
import { Button } from "./button.tsx";
import { Modal } from "./modal.tsx";
import { Notice } from "./notice.tsx";
import { ProblemNotice } from "./problem-notice.tsx";

interface FormModalProps {
  title: string;
  /** What its button says: "Create group". */
  action: string;
  kind?: "primary" | "destroy";
  /** What is missing or wrong before the server is asked. */
  problem?: string;
  /** Does it; the dialog shows why it failed. What comes after closing is `onSubmit`'s as well. */
  onSubmit(): Promise<void>;
  onClose(): void;
  children: ReactNode;
}

/** A dialog with a form: Enter sends it, and it stays open until it succeeded. */
export function FormModal({
  kind = "primary",
  title,
  action,
  problem,
  onSubmit,
  onClose,
  children,
}: FormModalProps) {
  const formId = useId();
  const [tried, setTried] = useState(false);
  const { busy, error, run } = useTask();

  async function submit(event: FormEvent): Promise<void> {
    event.preventDefault();
    setTried(true);
    if (problem === undefined && (await run(onSubmit))) onClose();
  }
  return (
    <Modal
      title={title}
      onClose={onClose}
      held
      footer={
        <>
          {tried && problem !== undefined && <Notice>{problem}</Notice>}
          {problem === undefined && error !== undefined && <ProblemNotice error={error} />}
          <Button onClick={onClose}>Cancel</Button>
          <Button kind={kind} type="submit" form={formId} busy={busy}>
            {action}
          </Button>
        </>
      }
    >
      <form id={formId} className="form" onSubmit={submit} noValidate>
        {children}
      </form>
    </Modal>
  );
}
