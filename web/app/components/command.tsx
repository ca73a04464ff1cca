import { CopyButton } from "./copy-button.tsx";

/** A shell command that the person may copy. */
export function Command({ label, text }: { label: string; text: string }) {
  return (
    <figure className="command">
      <figcaption>{label}</figcaption>
      <div className="command-line">
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must reach it */}
        <pre tabIndex={0}>
          <code>{text}</code>
        </pre>
        <CopyButton text={text} what={`${label} command`} />
      </div>
    </figure>
  );
}
