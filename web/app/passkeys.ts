// The browser's side of WebAuthn: what the server asks for goes in, what the authenticator answers comes out, as JSON.

/** Whether this browser has passkeys here: they need TLS and a name, not an address. */
export function hasPasskeys(): boolean {
  return typeof PublicKeyCredential !== "undefined" && "parseCreationOptionsFromJSON" in PublicKeyCredential;
}

/** Makes a passkey. Rejects with a sentence for the person. */
export async function makePasskey(options: unknown): Promise<unknown> {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(
    options as PublicKeyCredentialCreationOptionsJSON,
  );
  return json(await navigator.credentials.create({ publicKey }).catch(retold));
}

/** Proves that the person has a passkey. Rejects with a sentence for the person. */
export async function provePasskey(options: unknown): Promise<unknown> {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(
    options as PublicKeyCredentialRequestOptionsJSON,
  );
  return json(await navigator.credentials.get({ publicKey }).catch(retold));
}

function json(credential: Credential | null): unknown {
  if (credential instanceof PublicKeyCredential) return credential.toJSON();
  throw new Error("The browser gave no passkey. Try again.");
}

function retold(error: unknown): never {
  const name = error instanceof Error ? error.name : "";
  if (name === "NotAllowedError") {
    throw new Error("No passkey was used: it was cancelled, took too long, or there is none on this device.");
  }
  if (name === "InvalidStateError") {
    throw new Error("This device already holds a passkey of your account.");
  }
  if (name === "SecurityError") {
    throw new Error("The browser allows no passkeys at this address. Open the dashboard by its https name.");
  }
  throw error;
}
