import { ReflectedCrc } from "./reflected-crc.ts";

/** CRC-64/NVME (NVM Express base specification, 64b CRC): CRC of "123456789" is ae8b14860a799888. */
export const crc64nvme = new ReflectedCrc(64, 0x9a6c9329ac4bc9b5n);
