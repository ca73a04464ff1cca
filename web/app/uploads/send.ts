import {
  ApiError,
  announceSessionEnd,
  CSRF_HEADER,
  errorFrom,
  refreshSession,
  unreachable,
} from "../api/http.ts";
import { objectPath, type StoredObject } from "../api/storage.ts";
import type { Send, Upload } from "./queue.ts";

type OnProgress = Parameters<Send>[1];

/** Sends one file as one PUT, once more where only the access cookie was over. */
export const sendByXhr: Send = (upload, onProgress) => {
  const request = new XMLHttpRequest();
  let aborted = false;
  const done = put(request, upload, onProgress).catch(async (error: unknown) => {
    if (!(error instanceof ApiError && error.status === 401)) throw error;
    const renewed = await refreshSession();
    if (aborted) throw cancelled();
    if (renewed) return put(request, upload, onProgress);
    announceSessionEnd();
    throw error;
  });
  return {
    done,
    abort() {
      aborted = true;
      request.abort();
    },
  };
};

/** By XMLHttpRequest, because `fetch` tells no upload progress. */
function put(request: XMLHttpRequest, upload: Upload, onProgress: OnProgress): Promise<StoredObject> {
  return new Promise((resolve, reject) => {
    request.upload.onprogress = (event) => onProgress(event.loaded);
    request.onload = () =>
      request.status >= 200 && request.status < 300
        ? resolve(JSON.parse(request.responseText))
        : reject(errorFrom(request.status, request.responseText));
    request.onerror = () => reject(unreachable());
    request.onabort = () => reject(cancelled());
    request.open("PUT", objectPath(upload.bucket, upload.key));
    request.setRequestHeader(CSRF_HEADER, "1");
    request.setRequestHeader("Content-Type", upload.file.type || "application/octet-stream");
    request.send(upload.file);
  });
}

function cancelled(): Error {
  return new Error("Cancelled.");
}
