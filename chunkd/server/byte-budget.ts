import { ChunkError } from "../store/errors.ts";

/** Bounds the bytes of appends that this process holds, so that slow peers cannot grow it. */
export class ByteBudget {
  private taken = 0;

  constructor(private readonly max: number) {}

  /** Throws `OVERLOADED` when `size` more do not fit. Give back by {@link release}. */
  take(size: number): void {
    if (this.taken + size > this.max) {
      throw new ChunkError("OVERLOADED", `appends of ${this.taken} bytes are under way: slow down`);
    }
    this.taken += size;
  }

  release(size: number): void {
    this.taken -= size;
  }
}
