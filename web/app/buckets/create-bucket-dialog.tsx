import { type FormEvent, useId, useState } from "react";
import { messageOf } from "../api/http.ts";
import { storage } from "../api/storage.ts";
import { bucketNameProblem } from "../bucket-name.ts";
import { Button } from "../components/button.tsx";
import { Field } from "../components/field.tsx";
import { Modal } from "../components/modal.tsx";

const RULES = "3 to 63 characters: lower-case letters, digits, hyphens and dots.";

interface CreateBucketDialogProps {
  onCreated(name: string): void;
  onClose(): void;
}

export function CreateBucketDialog({ onCreated, onClose }: CreateBucketDialogProps) {
  const formId = useId();
  const [name, setName] = useState("");
  const [busy, setBusy] = useState(false);
  const [tried, setTried] = useState(false);
  const [refusal, setRefusal] = useState<string>();
  const problem = bucketNameProblem(name);
  // A name half typed is too short, which is no mistake yet.
  const shown = refusal ?? (tried || name.length >= 3 ? problem : undefined);

  async function submit(event: FormEvent): Promise<void> {
    event.preventDefault();
    setTried(true);
    if (problem || busy) return;
    setBusy(true);
    try {
      await storage.createBucket(name);
      onClose();
      onCreated(name);
    } catch (error) {
      setRefusal(messageOf(error));
      setBusy(false);
    }
  }

  return (
    <Modal
      title="Create bucket"
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" type="submit" form={formId} busy={busy}>
            Create bucket
          </Button>
        </>
      }
    >
      <form id={formId} onSubmit={submit} noValidate>
        <Field label="Name" hint={RULES} problem={shown}>
          <input
            name="bucket"
            autoComplete="off"
            autoCapitalize="none"
            spellCheck={false}
            // biome-ignore lint/a11y/noAutofocus: the dialog asks for nothing else
            autoFocus
            value={name}
            onChange={(event) => {
              setName(event.target.value);
              setRefusal(undefined);
            }}
          />
        </Field>
      </form>
    </Modal>
  );
}
