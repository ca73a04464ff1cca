/** All of these are in memory in every process. */
export const GROUPS_MAX = 1_000;
export const GROUP_MEMBERS_MAX = 1_000;
export const GROUPS_PER_USER_MAX = 10;
/** Of custom roles, each a document of at most 20 KiB. */
export const ROLES_MAX = 1_000;
/** A decision looks at a user's own roles and those of all groups: at most 110 documents. */
export const ROLES_PER_TARGET_MAX = 10;

/** Tokens that descend from one another; each is one more policy that must allow. */
export const TOKEN_CHAIN_MAX = 8;
