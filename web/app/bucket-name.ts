/**
 * What is wrong with `name` as a bucket name, or undefined. The rules of S3's general purpose buckets ("Bucket naming
 * rules" of its user guide); the server has the last word.
 */
export function bucketNameProblem(name: string): string | undefined {
  if (name.length < 3) return "At least 3 characters.";
  if (name.length > 63) return "At most 63 characters.";
  if (/[A-Z]/.test(name)) return "Lower-case letters only.";
  if (/[^a-z0-9.-]/.test(name)) return "Only letters a–z, digits, hyphens and dots.";
  if (!/^[a-z0-9].*[a-z0-9]$/.test(name)) return "It must begin and end with a letter or digit.";
  if (name.includes("..")) return "No two dots in a row.";
  if (/-\.|\.-/.test(name)) return "No hyphen next to a dot.";
  if (/^\d+\.\d+\.\d+\.\d+$/.test(name)) return "It must not look like an IP address.";
  if (/^(xn--|sthree-|amzn-s3-demo-)/.test(name))
    return `The beginning "${name.split("-")[0]}-" is reserved.`;
  if (/(-s3alias|--ol-s3|\.mrap|--x-s3|--table-s3)$/.test(name)) return "This ending is reserved.";
  return undefined;
}
