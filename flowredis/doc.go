// Package flowredis lets schedulers in many processes share one set of limits, through Redis or Valkey.
//
// [Share] is an option of scheduler.New. Each scheduler serves its own line in order and grants from what is
// leased to it, so a call costs no round trip. Together they never exceed a limit in any interval, even if the
// network fails or processes die. [ShareKeys] does the same for each key of a keyed.Set. [OnLoss] says what
// happens when the server loses its memory. The server must be version 7 or later and have the policy
// noeviction. The guide docs/quota.md has the proof and the costs.
package flowredis
