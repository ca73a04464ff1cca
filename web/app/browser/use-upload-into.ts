import { useCallback, useEffect } from "react";
import { messageOf } from "../api/http.ts";
import type { ObjectInfo } from "../api/storage.ts";
import { useToasts } from "../components/toasts.tsx";
import { formatCount } from "../format.ts";
import { useUploadQueue } from "../uploads/context.tsx";
import { type ChosenFile, filesOfDrop } from "../uploads/dropped-files.ts";

/** Uploads into `prefix` of `bucket`; `stored` hears of each object of this bucket that is there. */
export function useUploadInto(bucket: string, prefix: string, stored: (object: ObjectInfo) => void) {
  const queue = useUploadQueue();
  const { toast } = useToasts();

  useEffect(
    () =>
      queue.onDone((upload) => {
        if (upload.bucket === bucket && upload.stored) stored(upload.stored);
      }),
    [queue, bucket, stored],
  );

  const add = useCallback(
    (files: ChosenFile[]) => {
      const refused = queue.add(
        bucket,
        files.map(({ path, file }) => ({ key: prefix + path, file })),
      );
      if (refused > 0) {
        toast(
          `${formatCount(refused)} files are too many at once. Upload them when these are done.`,
          "problem",
        );
      }
    },
    [queue, bucket, prefix, toast],
  );
  const drop = useCallback(
    (transfer: DataTransfer) => {
      filesOfDrop(transfer).then(
        (files) =>
          files.length > 0 ? add(files) : toast("There is no file in what was dropped.", "problem"),
        (error: unknown) => toast(`The files could not be read: ${messageOf(error)}`, "problem"),
      );
    },
    [add, toast],
  );
  return { add, drop };
}
