import { type DragEvent, useRef, useState } from "react";

/**
 * Props that make an element a drop target for files, and whether files hover over it now. Enter and leave fire for
 * every child too, so they are counted.
 */
export function useDrop(onDrop: (transfer: DataTransfer) => void) {
  const depth = useRef(0);
  const [hovering, setHovering] = useState(false);
  const carriesFiles = (event: DragEvent) => event.dataTransfer.types.includes("Files");
  const handlers = {
    onDragEnter(event: DragEvent) {
      if (!carriesFiles(event)) return;
      event.preventDefault();
      depth.current++;
      setHovering(true);
    },
    onDragOver(event: DragEvent) {
      if (!carriesFiles(event)) return;
      event.preventDefault();
      event.dataTransfer.dropEffect = "copy";
    },
    onDragLeave(event: DragEvent) {
      if (!carriesFiles(event)) return;
      depth.current = Math.max(0, depth.current - 1);
      if (depth.current === 0) setHovering(false);
    },
    onDrop(event: DragEvent) {
      if (!carriesFiles(event)) return;
      event.preventDefault();
      depth.current = 0;
      setHovering(false);
      onDrop(event.dataTransfer);
    },
  };
  return { hovering, handlers };
}
