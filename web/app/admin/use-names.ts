import { directory } from "../api/directory.ts";
import { useResource } from "../hooks/use-resource.ts";

async function loadNames(signal: AbortSignal) {
  const [{ roles }, { groups }] = await Promise.all([directory.roles(signal), directory.groups(signal)]);
  return { roleNames: roles.map(({ name }) => name), groupNames: groups.map(({ name }) => name) };
}

/** What a list may be chosen from: undefined where the person may not see it. */
export type Choices = "loading" | readonly string[] | undefined;

/** The names of all roles and groups. */
export function useNames(): { roleNames: Choices; groupNames: Choices } {
  const { resource } = useResource(loadNames);
  if (resource.state === "ready") return resource.value;
  const none = resource.state === "loading" ? "loading" : undefined;
  return { roleNames: none, groupNames: none };
}
