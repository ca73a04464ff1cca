// The closed set of errors that this S3 API answers. Codes, statuses and wording follow "Error responses" of the
// Amazon S3 API reference, so that clients that switch on a code behave.
import { branch, document, tag } from "./xml-write.ts";

const S3_ERRORS = {
  AccessControlListNotSupported: [400, "The bucket does not allow ACLs: its owner has full control."],
  AccessDenied: [403, "Access Denied"],
  BadDigest: [400, "The digest or checksum you specified did not match what was received."],
  BucketAlreadyExists: [409, "The bucket name is taken. Choose another name and try again."],
  BucketAlreadyOwnedByYou: [409, "You already own a bucket of this name."],
  BucketNotEmpty: [409, "The bucket you tried to delete is not empty."],
  EntityTooLarge: [400, "Your proposed upload exceeds the maximum allowed size."],
  EntityTooSmall: [400, "Your proposed upload is smaller than the minimum allowed size."],
  IllegalLocationConstraintException: [400, "The location constraint does not fit this endpoint's region."],
  IncompleteBody: [400, "The request body ended before the number of bytes that its headers promised."],
  InsufficientStorage: [507, "There is no space left to store this. Delete something or add a disk."],
  InternalError: [500, "We encountered an internal error. Please try again."],
  InvalidArgument: [400, "Invalid Argument"],
  InvalidBucketName: [400, "The specified bucket is not valid."],
  InvalidPart: [
    400,
    "One or more of the specified parts could not be found. The part may not have been uploaded, or its entity tag may not match.",
  ],
  InvalidPartNumber: [416, "The requested partnumber is not satisfiable"],
  InvalidPartOrder: [
    400,
    "The list of parts was not in ascending order. Parts must be ordered by part number.",
  ],
  InvalidRange: [416, "The requested range is not satisfiable"],
  InvalidRequest: [400, "Invalid Request"],
  InvalidStorageClass: [400, "The storage class you specified is not valid. Only STANDARD is offered."],
  InvalidURI: [400, "Couldn't parse the specified URI."],
  KeyTooLongError: [400, "Your key is too long: it may have 1024 bytes of UTF-8."],
  MalformedXML: [
    400,
    "The XML you provided was not well-formed or did not validate against our published schema",
  ],
  MaxMessageLengthExceeded: [400, "Your request was too big."],
  MetadataTooLarge: [400, "Your metadata headers exceed the maximum allowed metadata size."],
  MethodNotAllowed: [405, "The specified method is not allowed against this resource."],
  MissingContentLength: [411, "You must provide the Content-Length HTTP header."],
  MissingRequestBodyError: [400, "Request Body is empty"],
  NoSuchBucket: [404, "The specified bucket does not exist"],
  NoSuchBucketPolicy: [404, "The bucket policy does not exist"],
  NoSuchCORSConfiguration: [404, "The CORS configuration does not exist"],
  NoSuchKey: [404, "The specified key does not exist."],
  NoSuchLifecycleConfiguration: [404, "The lifecycle configuration does not exist"],
  NoSuchPublicAccessBlockConfiguration: [404, "The public access block configuration was not found"],
  NoSuchTagSet: [404, "The TagSet does not exist"],
  NoSuchUpload: [
    404,
    "The specified multipart upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.",
  ],
  NoSuchVersion: [404, "The specified version does not exist."],
  NoSuchWebsiteConfiguration: [404, "The specified bucket does not have a website configuration"],
  NotImplemented: [501, "A header or parameter you provided implies functionality that is not implemented"],
  ObjectLockConfigurationNotFoundError: [404, "Object Lock configuration does not exist for this bucket"],
  PreconditionFailed: [412, "At least one of the pre-conditions you specified did not hold"],
  ReplicationConfigurationNotFoundError: [404, "The replication configuration was not found"],
  RequestTimeout: [400, "Your socket connection to the server was not read from or written to in time."],
  ServerSideEncryptionConfigurationNotFoundError: [
    404,
    "The server side encryption configuration was not found",
  ],
  ServiceUnavailable: [503, "The storage is not available at this moment. Please try again."],
  SlowDown: [503, "Please reduce your request rate."],
} as const satisfies Record<string, readonly [status: number, message: string]>;

export type S3ErrorCode = keyof typeof S3_ERRORS;

/** What a failed request is answered with. `code` is one of {@link S3ErrorCode}, or one of the signature's or payload's. */
export interface S3Failure {
  code: string;
  status: number;
  message: string;
  /** More response headers, by lower-case name. */
  headers?: Record<string, string>;
  /** More elements of the XML document. */
  fields?: Readonly<Record<string, string>>;
}

export class S3Error extends Error implements S3Failure {
  override name = "S3Error";
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly fields?: Record<string, string>;

  constructor(
    readonly code: S3ErrorCode,
    message?: string,
    more: { headers?: Record<string, string>; fields?: Record<string, string>; cause?: unknown } = {},
  ) {
    super(message ?? S3_ERRORS[code][1], { cause: more.cause });
    this.status = S3_ERRORS[code][0];
    this.headers = more.headers;
    this.fields = more.fields;
  }
}

/** The XML body of an error. `resource` is the path that was asked for, as it came. */
export function errorDocument(
  failure: S3Failure,
  resource: string,
  requestId: string,
  hostId: string,
): string {
  const extra = Object.entries(failure.fields ?? {}).map(([name, value]) => tag(name, value));
  // The one S3 document without a namespace.
  return document(
    branch(
      "Error",
      tag("Code", failure.code),
      tag("Message", failure.message),
      ...extra,
      tag("Resource", resource),
      tag("RequestId", requestId),
      tag("HostId", hostId),
    ),
  );
}
