import { ReflectedCrc } from "./reflected-crc.ts";

/** CRC-32C (Castagnoli; RFC 3720 appendix B.4): CRC of "123456789" is e3069283. */
export const crc32c = new ReflectedCrc(32, 0x82f63b78n);
