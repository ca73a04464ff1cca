// Limits of the S3 API ("Object key names", "Multipart upload limits"); the body's own are the payload's.

/** Bytes of UTF-8. */
export const KEY_SIZE_MAX = 1024;
/** Objects, parts, uploads or keys that one request lists or deletes. */
export const PAGE_MAX = 1000;
