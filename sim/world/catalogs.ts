import type { CatalogFile, CatalogFiles } from "../../masterd/catalog/catalog-files.ts";
import type { SimDisk } from "./disk.ts";
import type { SimProcess } from "./process.ts";

/** The catalogs of a simulated machine as the program `process` sees them. */
export class SimCatalogFiles implements CatalogFiles {
  constructor(
    private readonly disk: SimDisk,
    private readonly process: SimProcess,
  ) {}

  open(path: string, mode: "write" | "create"): CatalogFile {
    return this.disk.openCatalog(this.process, path, mode);
  }
}
