// Identities, their credentials and permissions. The owner in the ARN is the user whose thing it is; users own themselves.
import { on, type ServiceTable } from "./table.ts";

export const AUTH = {
  scope: "auth",
  kinds: {
    user: {},
    group: {},
    role: {},
    policy: {},
    token: {},
    "service-account": {},
    "access-key": {},
    session: {},
    passkey: {},
    "audit-entry": {},
  },
  actions: {
    CreateUser: on("user", "write", "create"),
    ListUsers: on("user", "list"),
    GetUser: on("user", "read"),
    UpdateUser: on("user", "write"),
    DeleteUser: on("user", "write", "delete"),
    ChangePassword: on("user", "write"),
    // Without the old password: whoever may, can become that user.
    ResetPassword: on("user", "permissions"),
    AttachUserRole: on("user", "permissions"),
    DetachUserRole: on("user", "permissions"),
    AttachUserPolicy: on("user", "permissions"),
    DetachUserPolicy: on("user", "permissions"),
    PutUserBoundary: on("user", "permissions"),
    DeleteUserBoundary: on("user", "permissions"),
    ExplainAccess: on("user", "read"),

    CreateGroup: on("group", "write", "create"),
    ListGroups: on("group", "list"),
    GetGroup: on("group", "read"),
    UpdateGroup: on("group", "write"),
    DeleteGroup: on("group", "write", "delete"),
    AddUserToGroup: on("group", "permissions"),
    RemoveUserFromGroup: on("group", "permissions"),
    AttachGroupRole: on("group", "permissions"),
    DetachGroupRole: on("group", "permissions"),
    AttachGroupPolicy: on("group", "permissions"),
    DetachGroupPolicy: on("group", "permissions"),

    CreateRole: on("role", "permissions"),
    ListRoles: on("role", "list"),
    GetRole: on("role", "read"),
    UpdateRole: on("role", "permissions"),
    DeleteRole: on("role", "permissions"),
    AttachRolePolicy: on("role", "permissions"),
    DetachRolePolicy: on("role", "permissions"),

    PutPolicy: on("policy", "permissions"),
    ListPolicies: on("policy", "list"),
    GetPolicy: on("policy", "read"),
    DeletePolicy: on("policy", "permissions"),

    CreateToken: on("token", "write", "create"),
    ListTokens: on("token", "list"),
    RevokeToken: on("token", "write", "delete"),

    CreateServiceAccount: on("service-account", "write", "create"),
    ListServiceAccounts: on("service-account", "list"),
    GetServiceAccount: on("service-account", "read"),
    // Its scopes too.
    UpdateServiceAccount: on("service-account", "permissions"),
    DeleteServiceAccount: on("service-account", "write", "delete"),

    CreateAccessKey: on("access-key", "write", "create"),
    ImportAccessKey: on("access-key", "write", "create"),
    ListAccessKeys: on("access-key", "list"),
    UpdateAccessKey: on("access-key", "write"),
    DeleteAccessKey: on("access-key", "write", "delete"),

    ListSessions: on("session", "list"),
    RevokeSession: on("session", "write", "delete"),

    RegisterPasskey: on("passkey", "write", "create"),
    ListPasskeys: on("passkey", "list"),
    UpdatePasskey: on("passkey", "write"),
    DeletePasskey: on("passkey", "write", "delete"),

    ReadAudit: on("audit-entry", "read"),
    ExportAudit: on("audit-entry", "read"),
    UpdateAuditRetention: on("audit-entry", "write"),
  },
} as const satisfies ServiceTable;
