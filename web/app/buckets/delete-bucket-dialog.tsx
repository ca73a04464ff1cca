import { storage } from "../api/storage.ts";
import { Confirm } from "../components/confirm.tsx";

interface DeleteBucketDialogProps {
  name: string;
  onDeleted(): void;
  onClose(): void;
}

export function DeleteBucketDialog({ name, onDeleted, onClose }: DeleteBucketDialogProps) {
  async function run(): Promise<void> {
    await storage.deleteBucket(name);
    onDeleted();
  }
  return (
    <Confirm title="Delete bucket?" action="Delete bucket" onConfirm={run} onClose={onClose}>
      <p>
        <strong className="breakable">{name}</strong> is removed and its name becomes free. A bucket that
        still holds objects is not deleted.
      </p>
    </Confirm>
  );
}
