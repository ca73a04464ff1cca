import { announceSessionEnd, CSRF_HEADER, errorFrom, unreachable } from "../api/http.ts";
import { objectPath, type StoredObject } from "../api/storage.ts";
import type { Send } from "./queue.ts";

/** Sends one file as one PUT. By XMLHttpRequest, because `fetch` tells no upload progress. */
export const sendByXhr: Send = (upload, onProgress) => {
  const request = new XMLHttpRequest();
  const done = new Promise<StoredObject>((resolve, reject) => {
    request.upload.onprogress = (event) => onProgress(event.loaded);
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) return resolve(JSON.parse(request.responseText));
      if (request.status === 401) announceSessionEnd();
      reject(errorFrom(request.status, request.responseText));
    };
    request.onerror = () => reject(unreachable());
    request.onabort = () => reject(new Error("Cancelled."));
  });
  request.open("PUT", objectPath(upload.bucket, upload.key));
  request.setRequestHeader(CSRF_HEADER, "1");
  request.setRequestHeader("Content-Type", upload.file.type || "application/octet-stream");
  request.send(upload.file);
  return { done, abort: () => request.abort() };
};
