import { Command } from "../components/command.tsx";
import { Icon } from "../components/icon.tsx";
import { S3_ENDPOINT_HINT, s3Endpoint, shellQuote } from "../s3-endpoint.ts";

/** An empty folder teaches the ways to fill it. */
export function EmptyFolder({ bucket, prefix }: { bucket: string; prefix: string }) {
  const endpoint = s3Endpoint();
  const target = `s3://${bucket}/${prefix}`;
  return (
    <div className="placeholder">
      <span className="placeholder-icon">
        <Icon name="upload" size={28} />
      </span>
      <h2>{prefix === "" ? "This bucket is empty" : "Nothing here"}</h2>
      <p>Drop files or folders anywhere on this page, use the upload buttons, or copy from a shell:</p>
      <div className="commands">
        <Command label="AWS CLI" text={`aws --endpoint-url ${endpoint} s3 cp ./file ${shellQuote(target)}`} />
        <Command
          label="rclone"
          text={`rclone copy ./folder ${shellQuote(`:s3,provider=Other,env_auth=true,endpoint="${endpoint}":${bucket}/${prefix}`)}`}
        />
      </div>
      <p className="small">{S3_ENDPOINT_HINT}</p>
    </div>
  );
}
