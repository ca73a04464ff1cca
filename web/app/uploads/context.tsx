import { createContext, type ReactNode, useContext, useEffect, useState, useSyncExternalStore } from "react";
import { isPending, type Upload, UploadQueue } from "./queue.ts";
import { sendByXhr } from "./send.ts";

const UploadContext = createContext<UploadQueue | undefined>(undefined);

export function useUploadQueue(): UploadQueue {
  const queue = useContext(UploadContext);
  if (!queue) throw new Error("useUploadQueue is only for components inside UploadProvider.");
  return queue;
}

export function useUploads(): readonly Upload[] {
  const queue = useUploadQueue();
  return useSyncExternalStore(queue.subscribe, queue.snapshot);
}

/** One queue for the whole page: uploads go on while the person looks elsewhere. */
export function UploadProvider({ children }: { children: ReactNode }) {
  const [queue] = useState(() => new UploadQueue(sendByXhr));
  useEffect(() => {
    const warn = (event: BeforeUnloadEvent) => {
      if (queue.snapshot().some(isPending)) event.preventDefault();
    };
    addEventListener("beforeunload", warn);
    return () => removeEventListener("beforeunload", warn);
  }, [queue]);
  return <UploadContext value={queue}>{children}</UploadContext>;
}
