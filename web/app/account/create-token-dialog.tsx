import { useState } from "react";
import { account, type NewApiToken } from "../api/account.ts";
import type { User } from "../api/auth.ts";
import { Button, IconButton } from "../components/button.tsx";
import { Field } from "../components/field.tsx";
import { FormModal } from "../components/form-modal.tsx";
import { type ScopeRow, scopesOf, scopesProblem, scopeUser, VERBS } from "./scopes.ts";

const DAYS = [7, 30, 90, 366];
const SCOPES_MAX = 32;

interface CreateTokenDialogProps {
  user: User;
  onCreated(token: NewApiToken): void;
  onClose(): void;
}

export function CreateTokenDialog({ user, onCreated, onClose }: CreateTokenDialogProps) {
  const [name, setName] = useState("");
  const [days, setDays] = useState(90);
  const [rows, setRows] = useState<readonly ScopeRow[]>([
    { key: 0, scope: `storage.${scopeUser(user)}.*`, verbs: ["read"] },
  ]);
  const change = (changed: ScopeRow) =>
    setRows((all) => all.map((row) => (row.key === changed.key ? changed : row)));
  const add = () =>
    setRows((all) => [...all, { key: Math.max(...all.map(({ key }) => key)) + 1, scope: "", verbs: [] }]);
  return (
    <FormModal
      title="Create API token"
      action="Create token"
      problem={name.trim() === "" ? "Give the token a name." : scopesProblem(rows)}
      onSubmit={async () =>
        onCreated(await account.createToken({ name: name.trim(), days, scopes: scopesOf(rows) }))
      }
      onClose={onClose}
    >
      <Field label="Name" hint="What the token is for: “nightly backup”.">
        <input
          name="token"
          autoComplete="off"
          maxLength={64}
          // biome-ignore lint/a11y/noAutofocus: where the form begins
          autoFocus
          value={name}
          onChange={(event) => setName(event.target.value)}
        />
      </Field>
      <Field label="Valid for">
        <select value={days} onChange={(event) => setDays(Number(event.target.value))}>
          {DAYS.map((each) => (
            <option key={each} value={each}>
              {each} days
            </option>
          ))}
        </select>
      </Field>
      {rows.map((row, index) => (
        <ScopeFields
          key={row.key}
          number={index + 1}
          row={row}
          onChange={change}
          onRemove={
            rows.length > 1 ? () => setRows((all) => all.filter(({ key }) => key !== row.key)) : undefined
          }
        />
      ))}
      {rows.length < SCOPES_MAX && (
        <Button kind="quiet" icon="plus" onClick={add}>
          Add scope
        </Button>
      )}
    </FormModal>
  );
}

interface ScopeFieldsProps {
  number: number;
  row: ScopeRow;
  onChange(row: ScopeRow): void;
  onRemove?(): void;
}

function ScopeFields({ number, row, onChange, onRemove }: ScopeFieldsProps) {
  const toggle = (verb: string) =>
    row.verbs.includes(verb) ? row.verbs.filter((each) => each !== verb) : [...row.verbs, verb];
  return (
    <fieldset className="scope">
      <legend className="visually-hidden">Scope {number}</legend>
      <div className="scope-line">
        <Field
          label={`Scope ${number}`}
          hint={
            number === 1
              ? "service.user.kind.id, for example storage.alice.bucket.photos. A * stands for all below."
              : undefined
          }
        >
          <input
            spellCheck={false}
            autoCapitalize="none"
            autoComplete="off"
            value={row.scope}
            onChange={(event) => onChange({ ...row, scope: event.target.value })}
          />
        </Field>
        {onRemove && <IconButton icon="trash" label={`Remove scope ${number}`} onClick={onRemove} />}
      </div>
      <div className="choices">
        {VERBS.map((verb) => (
          <label key={verb} className="choice">
            <input
              type="checkbox"
              checked={row.verbs.includes(verb)}
              onChange={() => onChange({ ...row, verbs: toggle(verb) })}
            />
            {verb}
          </label>
        ))}
      </div>
    </fieldset>
  );
}
