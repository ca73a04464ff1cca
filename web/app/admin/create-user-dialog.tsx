import { useState } from "react";
import { directory, type User } from "../api/directory.ts";
import { FormModal } from "../components/form-modal.tsx";
import { NewPasswordFields, NO_PASSWORD, newPasswordProblem } from "../components/new-password-fields.tsx";
import { NewUserNameField } from "../components/new-user-name-field.tsx";

export function CreateUserDialog({ onCreated, onClose }: { onCreated(user: User): void; onClose(): void }) {
  const [name, setName] = useState("");
  const [given, setGiven] = useState(NO_PASSWORD);
  const [admin, setAdmin] = useState(false);
  return (
    <FormModal
      title="Create user"
      action="Create user"
      problem={name.trim() === "" ? "Enter a user name." : newPasswordProblem(given)}
      onSubmit={async () => onCreated(await directory.createUser(name.trim(), given.password, admin))}
      onClose={onClose}
    >
      <NewUserNameField autoComplete="off" value={name} onChange={setName} />
      <NewPasswordFields value={given} onChange={setGiven} />
      <label className="choice">
        <input type="checkbox" checked={admin} onChange={(event) => setAdmin(event.target.checked)} />
        Administrator: may do everything
      </label>
    </FormModal>
  );
}
