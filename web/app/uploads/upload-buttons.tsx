import { type ChangeEvent, useRef } from "react";
import { Button } from "../components/button.tsx";
import { type ChosenFile, filesOfInput } from "./dropped-files.ts";

/** Opens the file picker, for files or for a whole folder. */
export function UploadButtons({ onChosen }: { onChosen(files: ChosenFile[]): void }) {
  const files = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);

  function chosen(event: ChangeEvent<HTMLInputElement>): void {
    if (event.target.files) onChosen(filesOfInput(event.target.files));
    // The same file chosen again must be a change again.
    event.target.value = "";
  }
  return (
    <>
      <input ref={files} type="file" multiple hidden aria-label="Files to upload" onChange={chosen} />
      <input
        ref={(input) => {
          folder.current = input;
          if (input) input.webkitdirectory = true;
        }}
        type="file"
        hidden
        aria-label="Folder to upload"
        onChange={chosen}
      />
      <Button icon="folder" onClick={() => folder.current?.click()}>
        Upload folder
      </Button>
      <Button kind="primary" icon="upload" onClick={() => files.current?.click()}>
        Upload files
      </Button>
    </>
  );
}
