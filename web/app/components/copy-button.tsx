import { useEffect, useState } from "react";
import { IconButton } from "./button.tsx";
import { copyText } from "./copy.ts";
import { useToasts } from "./toasts.tsx";

const CONFIRMATION_MS = 2000;

interface CopyButtonProps {
  text: string;
  /** What is copied, e.g. "S3 URI". */
  what: string;
  className?: string;
}

export function CopyButton({ text, what, className }: CopyButtonProps) {
  const [copied, setCopied] = useState(false);
  const { toast } = useToasts();
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), CONFIRMATION_MS);
    return () => clearTimeout(timer);
  }, [copied]);

  async function copy(): Promise<void> {
    if (await copyText(text)) {
      setCopied(true);
      toast(`${what} copied`);
    } else {
      toast(`The browser did not allow copying. Select the text and copy it by hand.`, "problem");
    }
  }
  return (
    <IconButton
      icon={copied ? "check" : "copy"}
      label={`Copy ${what}`}
      onClick={copy}
      className={className}
    />
  );
}
