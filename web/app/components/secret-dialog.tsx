import type { ReactNode } from "react";
import { Button } from "./button.tsx";
import { CopyButton } from "./copy-button.tsx";
import { Modal } from "./modal.tsx";
import { Notice } from "./notice.tsx";

interface SecretDialogProps {
  title: string;
  /** Begins "Save", and says that it is shown once. */
  notice: string;
  facts: readonly { name: string; value: string; copy?: boolean }[];
  children?: ReactNode;
  onClose(): void;
}

/** The one time that a secret is on screen. */
export function SecretDialog({ title, notice, facts, children, onClose }: SecretDialogProps) {
  return (
    <Modal
      title={title}
      onClose={onClose}
      held
      footer={
        <Button kind="primary" onClick={onClose}>
          I have saved it
        </Button>
      }
    >
      <Notice kind="info">{notice}</Notice>
      <dl className="facts">
        {facts.map(({ name, value, copy = true }) => (
          <div key={name} className="fact">
            <dt>{name}</dt>
            <dd className={copy ? "fact-copy" : undefined}>
              {copy ? <code>{value}</code> : value}
              {copy && <CopyButton text={value} what={name[0]!.toLowerCase() + name.slice(1)} />}
            </dd>
          </div>
        ))}
      </dl>
      {children}
    </Modal>
  );
}
