/** The port that `skerry up` serves plain S3 on unless told otherwise. */
const S3_PORT_DEFAULT = 8333;

/** Where S3 tools reach this machine: plain HTTP on the S3 port, as `skerry up` prints it. */
export function s3Endpoint(): string {
  return `http://${location.hostname}:${S3_PORT_DEFAULT}`;
}

/** Said beside a command with {@link s3Endpoint} in it. */
export const S3_ENDPOINT_HINT = `${S3_PORT_DEFAULT} is the usual S3 port; credentials.json names yours.`;

/** `text` as one word of a POSIX shell. */
export function shellQuote(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
