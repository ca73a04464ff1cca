/** Of a peer, bytes since the connection began. */
export interface Progress {
  received: number;
  /** Handed to the kernel for it, of what was sent. */
  taken: number;
  /** Not taken yet. */
  queuedBytes: number;
  /** A frame of the peer has begun and not ended. */
  midFrame: boolean;
  /** This side does not read now. */
  paused: boolean;
}
