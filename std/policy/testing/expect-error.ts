import { PolicyError } from "../errors.ts";

/** The error with which `read` refuses, as `code place`; throws if it does not, or with another kind of error. */
export function refusalOf(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    if (!error.message.startsWith(`${error.place}: `)) throw new Error(`no place in "${error.message}"`);
    return `${error.code} ${error.place}`;
  }
  throw new Error("nothing was refused");
}
