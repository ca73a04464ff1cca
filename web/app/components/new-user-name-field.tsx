import { Field } from "./field.tsx";

interface NewUserNameFieldProps {
  value: string;
  onChange(value: string): void;
  /** `username`: one's own, for the browser to remember. */
  autoComplete: "username" | "off";
}

/** The name of a new user: where its form begins. The server decides what a name may be. */
export function NewUserNameField({ value, onChange, autoComplete }: NewUserNameFieldProps) {
  return (
    <Field label="User name" hint="Letters, digits, dots, hyphens and underscores.">
      <input
        name="username"
        autoComplete={autoComplete}
        autoCapitalize="none"
        spellCheck={false}
        // biome-ignore lint/a11y/noAutofocus: where the form begins
        autoFocus
        value={value}
        onChange={(event) => onChange(event.target.value)}
      />
    </Field>
  );
}
