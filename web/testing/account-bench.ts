import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Locator, Page } from "playwright-core";
import type { AuthService } from "../../apis/auth/service.ts";
import { buildDashboard } from "../build.ts";
import { AuthCloud, makeCertificate, PASSWORD } from "./auth-cloud.ts";
import { launchBrowser, openPage } from "./browser.ts";
import { shoot } from "./shoot.ts";

/** The dashboard on the real auth service, a browser, and what its tests do again and again. */
export class AccountBench {
  page!: Page;
  private complaints: string[] = [];
  private users = 0;

  private constructor(
    private readonly browser: Browser,
    readonly cloud: AuthCloud,
    private readonly directory: string,
  ) {}

  static async start(): Promise<AccountBench> {
    const directory = mkdtempSync(join(tmpdir(), "skerry-account-"));
    const dist = join(directory, "dist");
    const [tls] = await Promise.all([makeCertificate(), buildDashboard(dist)]);
    const [browser, cloud] = await Promise.all([
      launchBrowser([`--ignore-certificate-errors-spki-list=${tls.pin}`]),
      AuthCloud.start(dist, tls),
    ]);
    return new AccountBench(browser, cloud, directory);
  }

  get auth(): AuthService {
    return this.cloud.auth;
  }

  async stop(): Promise<void> {
    await this.browser.close();
    await this.cloud.stop();
    rmSync(this.directory, { recursive: true });
  }

  /** A page of a browser that nobody has used. */
  async openPage(): Promise<void> {
    const opened = await openPage(this.browser, { reducedMotion: "reduce", colorScheme: "light" });
    this.page = opened.page;
    this.complaints = opened.complaints;
  }

  /** Returns what went wrong in the page. */
  async closePage(): Promise<string[]> {
    this.cloud.aheadMs = 0;
    await this.page.context().close();
    return this.complaints;
  }

  /** A member with {@link PASSWORD}. */
  async newUser(): Promise<string> {
    const name = `user${++this.users}`;
    await this.auth.createUser({ name, password: PASSWORD });
    return name;
  }

  async fillIn(name: string, password = PASSWORD): Promise<void> {
    await this.page.getByLabel("User name").fill(name);
    await this.page.getByLabel("Password").fill(password);
    await this.page.keyboard.press("Enter");
  }

  async signIn(name: string, path = "/account"): Promise<void> {
    await this.page.goto(this.cloud.url + path);
    await this.fillIn(name);
    await this.signedIn();
  }

  signedIn = (): Promise<void> => this.page.getByRole("button", { name: "Sign out" }).waitFor();
  button = (name: string): Locator => this.page.getByRole("button", { name, exact: true });
  field = (name: string): Locator => this.page.getByRole("textbox", { name, exact: true });
  row = (name: string): Locator => this.page.getByRole("row").filter({ hasText: name });
  text = (content: string): Locator => this.page.getByText(content, { exact: true }).first();
  dialog = (): Locator => this.page.getByRole("dialog");
  confirm = (name: string): Promise<void> => this.dialog().getByRole("button", { name, exact: true }).click();

  /** An authenticator that makes sure of the person and answers at once. */
  async plugIn(): Promise<void> {
    const devtools = await this.page.context().newCDPSession(this.page);
    await devtools.send("WebAuthn.enable");
    await devtools.send("WebAuthn.addVirtualAuthenticator", {
      options: {
        protocol: "ctap2",
        transport: "internal",
        hasResidentKey: true,
        hasUserVerification: true,
        isUserVerified: true,
        automaticPresenceSimulation: true,
      },
    });
  }

  shoot = (name: string): Promise<void> => shoot(this.page, name);
}
