// Package flowredis lets schedulers in many processes share one set of limits, through Redis or Valkey.
//
// [Share] is an option of scheduler.New. Each scheduler serves its own line in order and grants from what is
// leased to it, so a call costs no round trip. Together they never exceed a limit in any interval, even if the
// network fails or processes die. [OnLoss] says what happens when the engine loses its memory. It needs an
// engine of version 7 or later with the policy noeviction. The guide docs/quota.md has the proof, and what it
// costs.
package flowredis
