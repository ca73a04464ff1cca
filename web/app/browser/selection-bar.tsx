import { Button } from "../components/button.tsx";
import { formatCount } from "../format.ts";

interface SelectionBarProps {
  count: number;
  onDelete(): void;
  onClear(): void;
}

export function SelectionBar({ count, onDelete, onClear }: SelectionBarProps) {
  return (
    <div className="selection-bar" role="status">
      <span>{formatCount(count)} selected</span>
      <Button kind="quiet" onClick={onClear}>
        Clear
      </Button>
      <Button kind="danger" icon="trash" onClick={onDelete}>
        Delete
      </Button>
    </div>
  );
}
