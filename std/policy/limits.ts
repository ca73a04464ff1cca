/** What S3 takes as a bucket policy. Every other limit bounds what a document of this size may cost. */
export const DOCUMENT_BYTES_MAX = 20 << 10;
/** A condition's list of values is six levels deep. */
export const NESTING_MAX = 8;
export const STATEMENTS_MAX = 200;
/** Actions, resources, principals and condition values of one document, together. */
export const VALUES_MAX = 1000;
/**
 * Patterns of one document that may cost more than a look at both ends of a value: those with text between two `*`, and
 * those with a wildcard and a variable. With 100 of them, a header of 16 KiB costs some milliseconds.
 */
export const SEARCHES_MAX = 100;
export const CONDITION_KEY_LENGTH_MAX = 256;
export const SID_LENGTH_MAX = 128;
