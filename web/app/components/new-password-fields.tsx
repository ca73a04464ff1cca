import { Field } from "./field.tsx";

export interface NewPassword {
  password: string;
  repeated: string;
}

export const NO_PASSWORD: NewPassword = { password: "", repeated: "" };

/** What is wrong with it before the server is asked. */
export function newPasswordProblem({ password, repeated }: NewPassword): string | undefined {
  if (password === "") return "Enter a password.";
  return password === repeated ? undefined : "The two passwords differ.";
}

/** A new password, typed twice. */
export function NewPasswordFields({
  label = "New password",
  value,
  onChange,
}: {
  label?: string;
  value: NewPassword;
  onChange(value: NewPassword): void;
}) {
  return (
    <>
      <Field label={label} hint="At least 8 characters; random words are good.">
        <input
          type="password"
          name="new-password"
          autoComplete="new-password"
          value={value.password}
          onChange={(event) => onChange({ ...value, password: event.target.value })}
        />
      </Field>
      <Field label="Repeat it">
        <input
          type="password"
          name="repeated-password"
          autoComplete="new-password"
          value={value.repeated}
          onChange={(event) => onChange({ ...value, repeated: event.target.value })}
        />
      </Field>
    </>
  );
}
