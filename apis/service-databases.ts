// Which database each service has: one of its own on a server that they may share.
import { type Config, optionalText, UsageError } from "../std/config.ts";
import type { EventsPlace } from "./events/open-bus.ts";

export const DATABASE_SETTINGS = {
  databaseUrl: optionalText(
    "PostgreSQL server of the services, with user and password; better as SKERRY_DATABASE_URL",
    "URL",
  ),
  authDatabaseUrl: optionalText("the same for users and keys, where it is another server or database", "URL"),
  auditDatabaseUrl: optionalText("the same for the audit log", "URL"),
  eventsDatabaseUrl: optionalText("the same for the event bus, unless NATS carries it", "URL"),
  natsUrl: optionalText(
    "NATS server with JetStream that carries the events, instead of PostgreSQL; better as SKERRY_NATS_URL",
    "URL",
  ),
};

export type DatabaseSettings = Config<typeof DATABASE_SETTINGS>;

export interface ServiceDatabases {
  /** URLs with the password; each gets the database of its name, unless the URL names one. */
  auth: string;
  audit: string;
  events: EventsPlace;
}

/** Whether a service has no URL of its own, so that the one of all is needed. */
export function needsCommonServer(settings: DatabaseSettings): boolean {
  const { authDatabaseUrl, auditDatabaseUrl, eventsDatabaseUrl, natsUrl } = settings;
  return !(authDatabaseUrl && auditDatabaseUrl && (eventsDatabaseUrl || natsUrl));
}

/** Where each service has its database; `embedded`: the server where no URL is given. Throws {@link UsageError}. */
export function serviceDatabases(settings: DatabaseSettings, embedded?: string): ServiceDatabases {
  const common = checked("database-url", settings.databaseUrl) ?? embedded;
  const taken: string[] = [];
  const own = (service: string, given: string | undefined): string => {
    const flag = `${service}-database-url`;
    const url = checked(flag, given) ?? common;
    if (url === undefined) throw new UsageError(`--database-url or --${flag} must be given`);
    // A URL that names a database is for one service alone.
    if (taken.includes(url) && new URL(url).pathname.length > 1) {
      throw new UsageError(
        `the database that --database-url or another flag names is for one service alone: name another one by --${flag}`,
      );
    }
    taken.push(url);
    return url;
  };
  const auth = own("auth", settings.authDatabaseUrl);
  const audit = own("audit", settings.auditDatabaseUrl);
  return { auth, audit, events: eventsPlace(settings, (given) => own("events", given)) };
}

function eventsPlace(
  { natsUrl, eventsDatabaseUrl }: DatabaseSettings,
  own: (given: string | undefined) => string,
): EventsPlace {
  if (natsUrl === undefined) return { databaseUrl: own(eventsDatabaseUrl) };
  if (!/^(nats|tls):\/\//.test(natsUrl)) throw new UsageError("--nats-url must begin with nats:// or tls://");
  if (eventsDatabaseUrl !== undefined)
    throw new UsageError("give --nats-url or --events-database-url, not both");
  return { natsUrl };
}

/** `url`, or undefined where it is not given; throws {@link UsageError} for one of another kind. */
export function checked(flag: string, url: string | undefined): string | undefined {
  if (url === undefined || (/^postgres(ql)?:\/\//.test(url) && URL.canParse(url))) return url;
  throw new UsageError(`--${flag} must be a URL that begins with postgres://`);
}
