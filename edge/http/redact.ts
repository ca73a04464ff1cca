/** Query parameters that let their reader act for somebody: presigned URLs, tokens, customer keys. */
const SECRET =
  /signature|credential|token|secret|password|passwd|authorization|api[-_]?key|^key$|^code$|^state$/;
const REDACTED = "REDACTED";
/** A longer target is cut in the log. */
const TARGET_LENGTH_MAX = 2048;

/** A request's target for the log: secrets of its query replaced, its length bounded. */
export function redactTarget(target: string): string {
  const mark = target.indexOf("?");
  const text = mark < 0 ? target : `${target.slice(0, mark)}?${redactQuery(target.slice(mark + 1))}`;
  return text.length > TARGET_LENGTH_MAX ? `${text.slice(0, TARGET_LENGTH_MAX)}...` : text;
}

function redactQuery(query: string): string {
  const pairs = query.split("&").map((pair) => {
    const equals = pair.indexOf("=");
    if (equals < 0) return pair;
    const name = pair.slice(0, equals);
    return SECRET.test(decoded(name)) ? `${name}=${REDACTED}` : pair;
  });
  return pairs.join("&");
}

/** A name spelled `X%2DAmz%2DSignature` is the same name; one that cannot be decoded is judged as it stands. */
function decoded(name: string): string {
  try {
    return decodeURIComponent(name.replaceAll("+", " ")).toLowerCase();
  } catch {
    return name.toLowerCase();
  }
}
